"""The tables that only the Request Network has. Those of both networks are declared by their subjects in `common`."""

from __future__ import annotations

from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    event,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, INET, JSON, JSONB

from common.database.metadata import NAMING
from request_svc.domain.request import FailureReason
from request_svc.domain.status import RequestStatus

ROLES = ("user", "operator", "admin", "system")
RESULT_PIECE = 256 * 1024
"""Bytes of a full row of result_chunks, and the most that result_data holds."""

REPLICATED_TABLES = frozenset({"users", "profile_types", "settings", "indices", "replica_states"})
"""Written by imports alone, through functions of the database's owner; the services' own role reads them."""

service_metadata = MetaData(naming_convention=NAMING)


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


_NOW = text("CURRENT_TIMESTAMP")
_STATUSES = tuple(status.value for status in RequestStatus)
_FAILURES = tuple(reason.value for reason in FailureReason)

users = Table(
    "users",
    service_metadata,
    # Ids are made by the Response Network; there is no default on purpose.
    Column("id", Uuid, primary_key=True),
    Column("username", String(100), nullable=False),
    Column("email", String(255), nullable=False),
    Column("hashed_password", String(255), nullable=False),
    Column("full_name", String(255), nullable=False, server_default=""),
    Column("role", String(20), nullable=False),
    Column("profile_type", String(50), nullable=False, server_default="basic"),
    Column("rate_limit_per_minute", Integer, nullable=False, server_default="10"),
    Column("rate_limit_per_hour", Integer, nullable=False, server_default="100"),
    Column("rate_limit_per_day", Integer, nullable=False, server_default="500"),
    Column("priority", Integer, nullable=False, server_default="5"),
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    Column("revision", BigInteger, nullable=False),
    # Which limits are those of the profile type instead of the columns above.
    Column("inherits", ARRAY(String(30)), nullable=False, server_default=text("'{}'")),
    # Raised whenever all sessions of the user were ended.
    Column("session_version", Integer, nullable=False, server_default=text("0")),
    Column("synced_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
    # The users bundle that last held this row, and since when a snapshot does not know it.
    Column("import_batch_id", Uuid, nullable=False),
    Column("missing_since", DateTime(timezone=True)),
    # Of the row as it was sent; together they tell whether the replica equals its master.
    Column("row_digest", LargeBinary, nullable=False),
    # Checked at the end of a bundle, in which two users may exchange their names.
    UniqueConstraint("username", deferrable=True, initially="DEFERRED"),
    UniqueConstraint("email", deferrable=True, initially="DEFERRED"),
    CheckConstraint(_one_of("role", ROLES), name="role"),
    CheckConstraint("priority BETWEEN 1 AND 10", name="priority"),
    Index("idx_users_username", text("lower(username)")),
    Index("idx_users_batch", "import_batch_id"),
)

replica_states = Table(
    "replica_states",
    service_metadata,
    Column("kind", String(50), primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("batch_id", Uuid, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("row_count", BigInteger, nullable=False),
    Column("table_digest", LargeBinary, nullable=False),
    # False when count or digest differ from the master's: a snapshot is asked for.
    Column("in_step", Boolean, nullable=False),
    Column("sealed_at", DateTime(timezone=True), nullable=False),
    Column("applied_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
)

# The specification's elasticsearch_query is `body` and `search` here: jsonb would keep neither the text as it was
# submitted nor every valid string.
requests = Table(
    "requests",
    service_metadata,
    Column("id", Uuid, primary_key=True, server_default=text("gen_random_uuid()")),
    Column("user_id", Uuid, ForeignKey("users.id"), nullable=False),
    Column("index_name", String(255), nullable=False),
    Column("query_type", String(50), nullable=False),
    Column("query_params", JSONB, nullable=False),
    # As submitted; the serialised message where the question came as one.
    Column("body", LargeBinary, nullable=False),
    # The normal form that crosses the gap.
    Column("search", LargeBinary, nullable=False),
    Column("status", String(50), nullable=False, server_default=RequestStatus.PENDING.value),
    Column("priority", Integer, nullable=False, server_default="5"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
    Column("not_after", DateTime(timezone=True)),
    Column("accept_partial", Boolean, nullable=False, server_default=text("false")),
    Column("idempotency_key", String(128)),
    Column("trace_id", String(128), nullable=False, server_default=""),
    Column("exported_at", DateTime(timezone=True)),
    # A bundle that was given up has claimed it: the other network may know of it.
    Column("travelled_before", Boolean, nullable=False, server_default=text("false")),
    Column("export_batch_id", Uuid),
    Column("export_sequence", BigInteger),
    Column("acknowledged_at", DateTime(timezone=True)),
    Column("result_received_at", DateTime(timezone=True)),
    Column("retry_count", Integer, nullable=False, server_default="0"),
    Column("failure_reason", String(50)),
    Column("error_message", Text),
    Column("cancelled_at", DateTime(timezone=True)),
    # A cancellation travels as a record of its own, after the request's and with its own fate.
    Column("cancel_pending", Boolean, nullable=False, server_default=text("false")),
    Column("cancel_batch_id", Uuid),
    Column("cancel_acknowledged_at", DateTime(timezone=True)),
    Column("metadata", JSONB),
    CheckConstraint(_one_of("status", _STATUSES), name="status"),
    CheckConstraint("retry_count >= 0 AND retry_count <= 5", name="retry"),
    CheckConstraint("priority BETWEEN 1 AND 10", name="priority"),
    CheckConstraint(_one_of("failure_reason", _FAILURES), name="failure_reason"),
    CheckConstraint("(status = 'failed') = (failure_reason IS NOT NULL)", name="failed_has_reason"),
    CheckConstraint("octet_length(body) <= 262144 AND octet_length(search) <= 262144", name="question_length"),
    Index("idx_requests_user", "user_id", "created_at", "id"),
    Index("idx_requests_status", "status"),
    Index("idx_requests_created", text("created_at DESC")),
    Index("idx_requests_export", "exported_at", postgresql_where=text("exported_at IS NOT NULL")),
    Index("idx_requests_batch", "export_batch_id", postgresql_where=text("export_batch_id IS NOT NULL")),
    Index(
        "idx_requests_pending",
        text("priority DESC"),
        "created_at",
        "id",
        postgresql_where=text("status = 'pending'"),
    ),
    Index("idx_requests_cancellations", "cancelled_at", "id", postgresql_where=text("cancel_pending")),
    Index("idx_requests_cancel_batch", "cancel_batch_id", postgresql_where=text("cancel_batch_id IS NOT NULL")),
    Index(
        "idx_requests_idempotency",
        "user_id",
        "idempotency_key",
        unique=True,
        postgresql_where=text("idempotency_key IS NOT NULL"),
    ),
)

responses = Table(
    "responses",
    service_metadata,
    Column("id", Uuid, primary_key=True, server_default=text("gen_random_uuid()")),
    Column("request_id", Uuid, ForeignKey("requests.id"), nullable=False),
    Column("outcome", String(20), nullable=False),
    # The engine's text exactly, as far as 256 KiB; a longer answer is in result_chunks.
    Column("result_data", JSON),
    Column("result_bytes", BigInteger, nullable=False, server_default="0"),
    Column("result_sha256", LargeBinary),
    Column("result_count", BigInteger, nullable=False, server_default="0"),
    Column("execution_time_ms", BigInteger, nullable=False, server_default="0"),
    Column("engine_took_ms", BigInteger, nullable=False, server_default="0"),
    Column("executed_at", DateTime(timezone=True)),
    Column("sealed_at", DateTime(timezone=True)),
    Column("received_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
    Column("import_batch_id", Uuid),
    Column("import_sequence", BigInteger),
    # Whether the answer came from the Response Network's cache.
    Column("is_cached", Boolean, nullable=False, server_default=text("false")),
    Column("is_partial", Boolean, nullable=False, server_default=text("false")),
    Column("cache_key", String(255)),
    Column("metadata", JSONB),
    CheckConstraint("outcome IN ('completed', 'failed')", name="outcome"),
    # One answer for one request.
    Index("idx_responses_request", "request_id", unique=True),
    Index("idx_responses_received", text("received_at DESC")),
    Index("idx_responses_batch", "import_batch_id", postgresql_where=text("import_batch_id IS NOT NULL")),
    Index("idx_responses_cache", "cache_key", postgresql_where=text("cache_key IS NOT NULL")),
)

api_keys = Table(
    "api_keys",
    service_metadata,
    Column("id", Uuid, primary_key=True, server_default=text("gen_random_uuid()")),
    Column("user_id", Uuid, ForeignKey("users.id"), nullable=False),
    # SHA-256 of the whole key: a copy of this table lets nobody in.
    Column("key_hash", LargeBinary, nullable=False, unique=True),
    Column("name", String(100), nullable=False),
    Column("prefix", String(20), nullable=False),
    Column("scopes", JSONB, nullable=False),
    Column("last_used_at", DateTime(timezone=True)),
    Column("last_used_address", INET),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    # False once it was revoked, or the clean-up saw that its time is over. Whether it is good follows from the times.
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
    Column("created_by", Uuid, nullable=False),
    # The key that this one follows on, and until when both are good. No foreign key: the older one is forgotten first.
    Column("rotated_from", Uuid, unique=True),
    Column("rotated_to", Uuid),
    Column("overlap_ends_at", DateTime(timezone=True)),
    Column("revoked_at", DateTime(timezone=True)),
    Column("revoked_by", Uuid),
    # By the database's own clock, by which every process polls for what has changed. A use is no change.
    Column("changed_at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
    Column("metadata", JSONB),
    CheckConstraint("octet_length(key_hash) = 32", name="hash_length"),
    CheckConstraint("(rotated_to IS NULL) = (overlap_ends_at IS NULL)", name="rotation"),
    CheckConstraint("(revoked_at IS NULL) = (revoked_by IS NULL)", name="revocation"),
    Index("idx_apikeys_user", "user_id", "created_at", "id"),
    Index("idx_apikeys_active", "is_active"),
    Index("idx_apikeys_expires", "expires_at"),
    Index("idx_apikeys_changed", "changed_at"),
)

result_chunks = Table(
    "result_chunks",
    service_metadata,
    # The request that is answered.
    Column("id", Uuid, ForeignKey("requests.id"), primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

STORE_CHUNKS_PLAIN = "ALTER TABLE result_chunks ALTER COLUMN data SET STORAGE EXTERNAL"
"""Without compression a piece is read from where it lies, not unpacked in memory first."""

event.listen(result_chunks, "after_create", DDL(STORE_CHUNKS_PLAIN))  # type: ignore[no-untyped-call] # untyped there
