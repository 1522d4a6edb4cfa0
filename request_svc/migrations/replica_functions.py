"""The functions through which alone an import writes the replica, as the revision of replication makes them.

They belong to the database's owner and run with his rights, for the services' own role may only read these tables.
Each demands an import that is under way: a row of `import_batches` that the running transaction wrote, of the right
kind, and newer than the bundle that was used last. A row that anybody else changes gets a digest that no row has: the
replica shows as out of step, and the whole table is asked for. A later change of one of them is a revision of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_USER_COLUMNS: Final = {
    "username": "text",
    "email": "text",
    "hashed_password": "text",
    "full_name": "text",
    "role": "text",
    "profile_type": "text",
    "rate_limit_per_minute": "int4",
    "rate_limit_per_hour": "int4",
    "rate_limit_per_day": "int4",
    "priority": "int4",
    "is_active": "bool",
    "revision": "int8",
    # Names with commas between.
    "inherits": "text",
    "session_version": "int4",
    "row_digest": "bytea",
}
_CREDENTIALS: Final = ("role", "session_version")
_CLAIMS: Final = (
    "username",
    "profile_type",
    "rate_limit_per_minute",
    "rate_limit_per_hour",
    "rate_limit_per_day",
    "priority",
    "inherits",
)
# The key of each table, the kind of bundle that fills it.
_POLICY: Final = {
    "profile_types": ("name", "profile_types"),
    "settings": ("key", "settings"),
    "indices": ("name", "settings"),
}

_REQUIRE_IMPORT: Final = """
CREATE FUNCTION {schema}.airlock_require_import(_batch uuid, _kind text) RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM {schema}.import_batches AS batch
    WHERE batch.id = _batch AND batch.batch_type = _kind AND batch.status = 'processing'
        AND batch.xmin = pg_current_xact_id()::xid
        AND NOT EXISTS (
            SELECT FROM {schema}.replica_states AS state
            WHERE state.kind = _kind AND (state.epoch, state.sequence) >= (batch.epoch, batch.sequence)
        );
    IF NOT FOUND THEN
        RAISE EXCEPTION 'rows of kind % change through the import of a newer bundle only', _kind
            USING ERRCODE = 'insufficient_privilege';
    END IF;
END
$$
"""

# All parts of one statement see the same moment, and no other import runs: what is not in `before` is new. A plain
# INSERT costs two thirds of one that looks for conflicts. A bundle that does not tell of ended sessions (before schema
# 1.2) leaves a new hash as the only sign of a new password; one that does may bring a hash that was only made anew.
_STORE_USERS: Final = """
CREATE FUNCTION {schema}.airlock_store_users(
    _batch uuid, _tells_endings boolean, _ids uuid[], {parameters}
)
RETURNS TABLE (imported bigint, updated bigint, deactivated uuid[], changed_credentials uuid[], changed_claims uuid[])
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM {schema}.airlock_require_import(_batch, 'users');
    -- A replica that knows none of them, as at the first contact, has nothing to compare.
    IF NOT EXISTS (SELECT FROM unnest(_ids) AS given (id) JOIN {schema}.users USING (id)) THEN
        INSERT INTO {schema}.users (id, {plain_names}, inherits, synced_at, import_batch_id)
        SELECT id, {plain_names}, string_to_array(given.inherits, ',')::varchar[], now(), _batch
        FROM unnest(_ids, {arrays}) AS given (id, {names});
        RETURN QUERY SELECT cardinality(_ids)::bigint, 0::bigint, '{{}}'::uuid[], '{{}}'::uuid[], '{{}}'::uuid[];
        RETURN;
    END IF;
    RETURN QUERY
    WITH given AS (
        SELECT * FROM unnest(_ids, {arrays}) AS given (id, {names})
    ), input AS (
        SELECT id, {plain_names}, string_to_array(given.inherits, ',')::varchar[] AS inherits FROM given
    ), before AS (
        SELECT users.* FROM {schema}.users JOIN input USING (id)
    ), inserted AS (
        INSERT INTO {schema}.users (id, {plain_names}, inherits, synced_at, import_batch_id)
        SELECT id, {plain_names}, inherits, now(), _batch FROM input
        WHERE NOT EXISTS (SELECT FROM before WHERE before.id = input.id)
    ), replaced AS (
        UPDATE {schema}.users SET
            ({plain_names}, inherits, synced_at, import_batch_id, missing_since)
            = ROW ({new_values}, input.inherits, now(), _batch, NULL)
        FROM input WHERE users.id = input.id
    ), outcome AS (
        SELECT input.id, before.id IS NULL AS is_new,
            before.row_digest IS DISTINCT FROM input.row_digest OR before.missing_since IS NOT NULL AS is_changed,
            before.is_active AND NOT input.is_active AS is_deactivated,
            {credentials} OR (NOT _tells_endings AND before.hashed_password IS DISTINCT FROM input.hashed_password)
                AS has_new_credentials,
            {claims} AS has_new_claims
        FROM input LEFT JOIN before USING (id)
    )
    SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new AND is_changed),
        coalesce(array_agg(id) FILTER (WHERE is_deactivated), '{{}}'),
        coalesce(array_agg(id) FILTER (WHERE NOT is_new AND has_new_credentials), '{{}}'),
        coalesce(array_agg(id) FILTER (WHERE NOT is_new AND has_new_claims), '{{}}')
    FROM outcome;
END
$$
"""

_RETIRE_USERS: Final = """
CREATE FUNCTION {schema}.airlock_retire_users(_batch uuid) RETURNS SETOF uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM {schema}.airlock_require_import(_batch, 'users');
    RETURN QUERY
    WITH missing AS (
        SELECT users.id, users.is_active FROM {schema}.users
        WHERE users.import_batch_id IS DISTINCT FROM _batch AND (users.missing_since IS NULL OR users.is_active)
        FOR UPDATE
    ), retired AS (
        UPDATE {schema}.users SET is_active = false, missing_since = coalesce(users.missing_since, now())
        FROM missing WHERE users.id = missing.id
    )
    SELECT missing.id FROM missing WHERE missing.is_active;
END
$$
"""

# A row that holds a name which the master gave to another since: a restored master, and the replica must follow it.
_DISPLACE_USERS: Final = """
CREATE FUNCTION {schema}.airlock_displace_users(_batch uuid) RETURNS SETOF uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM {schema}.airlock_require_import(_batch, 'users');
    -- A snapshot that holds everybody leaves nobody who could have kept a name.
    IF NOT EXISTS (SELECT FROM {schema}.users WHERE import_batch_id <> _batch) THEN
        RETURN;
    END IF;
    RETURN QUERY
    WITH namesakes AS (
        SELECT stale.id, stale.is_active FROM {schema}.users AS fresh JOIN {schema}.users AS stale USING (username)
        WHERE fresh.import_batch_id = _batch AND stale.import_batch_id <> _batch
        UNION
        SELECT stale.id, stale.is_active FROM {schema}.users AS fresh JOIN {schema}.users AS stale USING (email)
        WHERE fresh.import_batch_id = _batch AND stale.import_batch_id <> _batch
    ), displaced AS (
        UPDATE {schema}.users SET is_active = false, missing_since = coalesce(missing_since, now()),
            username = left(username, 60) || '#' || users.id, email = left(email, 200) || '#' || users.id
        FROM namesakes WHERE users.id = namesakes.id
    )
    SELECT namesakes.id FROM namesakes WHERE namesakes.is_active;
END
$$
"""

_STORE_POLICY: Final = """
CREATE FUNCTION {schema}.airlock_store_{table}(
    _batch uuid, _keys text[], _contents text[], _revisions int8[], _deleted bool[], _digests bytea[]
) RETURNS TABLE (imported bigint, updated bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM {schema}.airlock_require_import(_batch, '{kind}');
    IF array_position(_digests, NULL) IS NOT NULL THEN
        RAISE EXCEPTION 'rows of kind {kind} have digests' USING ERRCODE = 'not_null_violation';
    END IF;
    RETURN QUERY
    WITH input AS (
        SELECT * FROM unnest(_keys, _contents, _revisions, _deleted, _digests)
            AS input (key, content, revision, is_deleted, row_digest)
    ), before AS (
        SELECT old.{key} AS key, old.row_digest FROM {schema}.{table} AS old JOIN input ON old.{key} = input.key
    ), stored AS (
        INSERT INTO {schema}.{table} ({key}, content, revision, is_deleted, row_digest, changed_at, import_batch_id)
        SELECT key, content::jsonb, revision, is_deleted, row_digest, clock_timestamp(), _batch FROM input
        ON CONFLICT ({key}) DO UPDATE SET
            (content, revision, is_deleted, row_digest, changed_at, import_batch_id)
            = ROW (excluded.content, excluded.revision, excluded.is_deleted, excluded.row_digest,
                excluded.changed_at, excluded.import_batch_id)
    )
    SELECT count(*) FILTER (WHERE before.key IS NULL),
        count(*) FILTER (WHERE before.key IS NOT NULL AND before.row_digest IS DISTINCT FROM input.row_digest)
    FROM input LEFT JOIN before USING (key);
END
$$
"""

# Without a digest a row is outside of the table's.
_RETIRE_POLICY: Final = """
CREATE FUNCTION {schema}.airlock_retire_{table}(_batch uuid) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    _retired bigint;
BEGIN
    PERFORM {schema}.airlock_require_import(_batch, '{kind}');
    WITH retired AS (
        UPDATE {schema}.{table} SET is_deleted = true, row_digest = NULL, changed_at = clock_timestamp()
        WHERE import_batch_id IS DISTINCT FROM _batch AND (row_digest IS NOT NULL OR NOT is_deleted)
        RETURNING 1
    )
    SELECT count(*) INTO _retired FROM retired;
    RETURN _retired;
END
$$
"""

# Imports name their batch in each row that they store; whatever changes a row otherwise is none.
_NOTE_DAMAGE: Final = """
CREATE FUNCTION {schema}.airlock_note_damage() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    NEW.row_digest := decode(repeat('00', 32), 'hex');
    RETURN NEW;
END
$$
"""
_WATCH: Final = """
CREATE TRIGGER airlock_note_damage BEFORE UPDATE ON {schema}.{table} FOR EACH ROW
WHEN (NEW.import_batch_id IS NOT DISTINCT FROM OLD.import_batch_id AND NEW.row_digest IS NOT NULL)
EXECUTE FUNCTION {schema}.airlock_note_damage()
"""

_KEEP_STATE: Final = """
CREATE FUNCTION {schema}.airlock_keep_replica_state(
    _batch uuid, _kind text, _revision int8, _row_count int8, _table_digest bytea, _in_step bool, _sealed_at timestamptz
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM {schema}.airlock_require_import(_batch, _kind);
    INSERT INTO {schema}.replica_states AS state
        (kind, epoch, sequence, batch_id, revision, row_count, table_digest, in_step, sealed_at, applied_at)
    SELECT _kind, epoch, sequence, id, _revision, _row_count, _table_digest, _in_step, _sealed_at, now()
    FROM {schema}.import_batches WHERE id = _batch
    ON CONFLICT (kind) DO UPDATE SET
        (epoch, sequence, batch_id, revision, row_count, table_digest, in_step, sealed_at, applied_at)
        = ROW (excluded.epoch, excluded.sequence, excluded.batch_id, excluded.revision, excluded.row_count,
            excluded.table_digest, excluded.in_step, excluded.sealed_at, excluded.applied_at);
END
$$
"""


def create_functions(schema: str) -> Iterator[str]:
    """The statements, in order; `schema` is the one in which the tables are."""
    named = '"' + schema.replace('"', '""') + '"'
    yield _REQUIRE_IMPORT.format(schema=named)
    plain = [name for name in _USER_COLUMNS if name != "inherits"]
    yield _STORE_USERS.format(
        schema=named,
        parameters=", ".join(f"_{name} {kind}[]" for name, kind in _USER_COLUMNS.items()),
        arrays=", ".join(f"_{name}" for name in _USER_COLUMNS),
        names=", ".join(_USER_COLUMNS),
        plain_names=", ".join(plain),
        new_values=", ".join(f"input.{name}" for name in plain),
        credentials=_differ(_CREDENTIALS),
        claims=_differ(_CLAIMS),
    )
    yield _RETIRE_USERS.format(schema=named)
    yield _DISPLACE_USERS.format(schema=named)
    for table, (key, kind) in _POLICY.items():
        yield _STORE_POLICY.format(schema=named, table=table, key=key, kind=kind)
        yield _RETIRE_POLICY.format(schema=named, table=table, kind=kind)
    yield _KEEP_STATE.format(schema=named)
    yield _NOTE_DAMAGE.format(schema=named)
    for table in ("users", *_POLICY):
        yield _WATCH.format(schema=named, table=table)


def drop_functions() -> Iterator[str]:
    """The statements that take them away again."""
    for table in ("users", *_POLICY):
        yield f"DROP TRIGGER airlock_note_damage ON {table}"
    yield "DROP FUNCTION airlock_note_damage"
    names = ["keep_replica_state", "store_users", "retire_users", "displace_users"]
    names += [f"{verb}_{table}" for table in _POLICY for verb in ("store", "retire")]
    for name in (*names, "require_import"):
        yield f"DROP FUNCTION airlock_{name}"


def _differ(columns: tuple[str, ...]) -> str:
    return " OR ".join(f"before.{name} IS DISTINCT FROM input.{name}" for name in columns)
