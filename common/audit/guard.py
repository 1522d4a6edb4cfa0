"""What the database itself holds of the audit trail's rules: nothing is changed, segments continue, a year is kept.

Each statement may be run again: a migration that needs a newer form of one runs all of them once more. The functions
are the owner's (SECURITY DEFINER), so that a role with SELECT and INSERT alone can seal and forget.
"""

from __future__ import annotations

from typing import Final

GUARDED: Final = ("audit_logs", "audit_segments", "audit_forgettings", "audit_witnesses")

# Rows go through `audit_forget` alone: it runs as the owner and under a setting of its own. Whoever imitates both (the
# owner himself can) still finds that only rows of segments that were sealed long ago can go.
_REFUSE_CHANGE: Final = """
CREATE OR REPLACE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_OP = 'DELETE' AND TG_TABLE_NAME = 'audit_logs'
        AND current_setting('airlock.audit_forgets', true) = 'on'
        AND current_user = (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = TG_RELID)
    THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION USING
        MESSAGE = 'rows of ' || TG_TABLE_NAME || ' are never changed or deleted',
        HINT = 'Old segments are forgotten by the job clean_up.',
        ERRCODE = 'insufficient_privilege';
END $$
"""
_REQUIRE_AGE: Final = """
CREATE OR REPLACE FUNCTION audit_require_age() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF (SELECT max(id) FROM gone) > coalesce(
        (SELECT max(last_id) FROM audit_segments WHERE sealed_at < now() - interval '30 days'), 0
    ) THEN
        RAISE EXCEPTION USING
            MESSAGE = 'audit rows are kept for at least 30 days after they were sealed',
            ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NULL;
END $$
"""
_LINK_SEGMENT: Final = """
CREATE OR REPLACE FUNCTION audit_link_segment() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    last record;
BEGIN
    SELECT * INTO last FROM audit_segments ORDER BY number DESC LIMIT 1;
    NEW.sealed_at := clock_timestamp();
    IF NEW.number <> coalesce(last.number, 0) + 1
        OR NEW.previous_digest <> coalesce(last.digest, decode(repeat('00', 32), 'hex'))
        OR (last.last_id IS NOT NULL AND NEW.first_id <= last.last_id)
        -- Rows that are still to come would count as sealed: left out of the chain, and forgotten with this segment.
        OR NEW.last_id > coalesce((SELECT max(id) FROM audit_logs), 0)
    THEN
        RAISE EXCEPTION USING
            MESSAGE = 'the segment does not continue the chain', ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$
"""
# An id is drawn inside an INSERT, which holds ROW EXCLUSIVE until its transaction ends. So once SHARE is granted, every
# id up to the highest is either committed or never will be. The caller's transaction has to end at once.
_SETTLED_ID: Final = """
CREATE OR REPLACE FUNCTION audit_settled_id() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET lock_timeout = '250ms' AS $$
BEGIN
    LOCK TABLE audit_logs IN SHARE MODE;
    RETURN coalesce((SELECT max(id) FROM audit_logs), 0);
END $$
"""
_FORGET: Final = """
CREATE OR REPLACE FUNCTION audit_forget(keep_days integer) RETURNS TABLE (segment bigint, forgotten bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    oldest record;
BEGIN
    IF keep_days IS NULL OR keep_days < 30 THEN
        RAISE EXCEPTION USING
            MESSAGE = 'audit rows are kept for at least 30 days', ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('airlock/audit_forget', 0));
    SELECT s.number, s.last_id INTO oldest FROM audit_segments s
    WHERE s.number = coalesce((SELECT max(f.number) FROM audit_forgettings f), 0) + 1
        AND s.sealed_at < now() - make_interval(days => keep_days);
    IF NOT FOUND THEN
        RETURN;
    END IF;
    -- Within the function, since only a superuser may hang a setting of ours on it.
    PERFORM set_config('airlock.audit_forgets', 'on', true);
    DELETE FROM audit_logs WHERE id <= oldest.last_id;
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    PERFORM set_config('airlock.audit_forgets', 'off', true);
    INSERT INTO audit_forgettings (number) VALUES (oldest.number);
    segment := oldest.number;
    RETURN NEXT;
END $$
"""

FUNCTIONS: Final = (_REFUSE_CHANGE, _REQUIRE_AGE, _LINK_SEGMENT, _SETTLED_ID, _FORGET)

TRIGGERS: Final = (
    *(
        f"CREATE OR REPLACE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
        " FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change()"
        for table in GUARDED
    ),
    """CREATE OR REPLACE TRIGGER audit_logs_age AFTER DELETE ON audit_logs REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION audit_require_age()""",
    """CREATE OR REPLACE TRIGGER audit_segments_link BEFORE INSERT ON audit_segments
    FOR EACH ROW EXECUTE FUNCTION audit_link_segment()""",
)

GUARD: Final = (*FUNCTIONS, *TRIGGERS)
"""For a database that has the tables."""

DROP_FUNCTIONS: Final = tuple(
    f"DROP FUNCTION {name} CASCADE"
    for name in (
        "audit_refuse_change()",
        "audit_require_age()",
        "audit_link_segment()",
        "audit_settled_id()",
        "audit_forget(integer)",
    )
)
"""Takes the triggers along."""
