"""Tables of this network alone: users, requests that arrived, their answers, and what the replica has of users."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
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
    SmallInteger,
    String,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from common.database.metadata import NAMING
from common.policy.tables import profile_types

response_metadata = MetaData(naming_convention=NAMING)

NOW = text("CURRENT_TIMESTAMP")
# The text as it was given; a missing value is NULL and not the JSON word for it.
EXACT_JSON = JSON(none_as_null=True)

users = Table(
    "users",
    response_metadata,
    Column("id", Uuid, primary_key=True),
    Column("username", String(100), nullable=False),
    Column("email", String(255), nullable=False),
    Column("hashed_password", String(255), nullable=False),
    Column("full_name", String(255), nullable=False, server_default=""),
    Column("role", String(20), nullable=False, server_default="user"),
    Column(
        "profile_type", String(50), ForeignKey(profile_types.c.name), nullable=False, server_default=text("'basic'")
    ),
    Column("rate_limit_per_minute", Integer, nullable=False, server_default=text("10")),
    Column("rate_limit_per_hour", Integer, nullable=False, server_default=text("100")),
    Column("rate_limit_per_day", Integer, nullable=False, server_default=text("500")),
    Column("priority", Integer, nullable=False, server_default=text("5")),
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    # From the counter row, taken in the transaction of the change.
    Column("revision", BigInteger, nullable=False),
    # Which limits are those of the profile type instead of the columns above.
    Column("inherits", ARRAY(String(30)), nullable=False, server_default=text("'{}'")),
    # Raised whenever all sessions of the user were ended.
    Column("session_version", Integer, nullable=False, server_default=text("0")),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=NOW),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=NOW),
    Column("last_login", DateTime(timezone=True)),
    CheckConstraint("role IN ('user', 'operator', 'admin', 'system')", name="role"),
    CheckConstraint("priority BETWEEN 1 AND 10", name="priority"),
    Index("uq_users_username", text("lower(username)"), unique=True),
    Index("uq_users_email", text("lower(email)"), unique=True),
    Index("uq_users_revision", "revision", unique=True),
    Index(
        "uq_users_one_active_admin",
        text("(role = 'admin')"),
        unique=True,
        postgresql_where=text("role = 'admin' AND is_active"),
    ),
    Index("idx_users_profile", "profile_type"),
    Index("idx_users_active", "is_active"),
)

# One row a replicated kind. Its lock makes revisions become visible in the order of their numbers.
revision_counters = Table(
    "revision_counters",
    response_metadata,
    Column("kind", String(50), primary_key=True),
    Column("revision", BigInteger, nullable=False),
)

# Every content that a row of the policy ever had, with who made it so and when.
policy_versions = Table(
    "policy_versions",
    response_metadata,
    Column("subject", String(20), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    # None: the row was removed.
    Column("content", JSONB(none_as_null=True)),
    Column("changed_by", Uuid),
    Column("changed_at", DateTime(timezone=True), nullable=False, server_default=NOW),
    CheckConstraint("subject IN ('profile_type', 'setting', 'index')", name="subject"),
)

incoming_requests = Table(
    "incoming_requests",
    response_metadata,
    Column("id", Uuid, primary_key=True, server_default=text("gen_random_uuid()")),
    Column("original_request_id", Uuid, nullable=False),
    # No foreign key: whether there is such a user is asked when the request is executed.
    Column("user_id", Uuid, nullable=False),
    Column("index_name", String(255), nullable=False),
    Column("query_type", String(50), nullable=False),
    # The normal form as the engine's JSON, filled when the request is executed.
    Column("query_params", EXACT_JSON),
    # The normal form as it arrived: a serialised airlock.search.v1.Search.
    Column("search", LargeBinary, nullable=False),
    Column("accept_partial", Boolean, nullable=False, server_default=text("false")),
    Column("trace_id", String(128), nullable=False, server_default=""),
    Column("priority", SmallInteger, nullable=False, server_default=text("5")),
    Column("requested_at", DateTime(timezone=True), nullable=False),
    Column("not_after", DateTime(timezone=True)),
    Column("imported_at", DateTime(timezone=True), nullable=False, server_default=NOW),
    Column("import_batch_id", Uuid),
    Column("status", String(50), nullable=False, server_default="pending"),
    Column("assigned_worker", String(100)),
    Column("lease_owner", Uuid),
    Column("lease_expires_at", DateTime(timezone=True)),
    Column("started_at", DateTime(timezone=True)),
    Column("completed_at", DateTime(timezone=True)),
    Column("retry_at", DateTime(timezone=True)),
    # Executions minus one.
    Column("retry_count", SmallInteger, nullable=False, server_default=text("0")),
    Column("failure_reason", String(50)),
    Column("error_message", Text),
    Column("metadata", JSONB),
    CheckConstraint(
        "status IN ('pending', 'processing', 'completed', 'failed', 'retry', 'cancelled', 'expired')", name="status"
    ),
    CheckConstraint("priority BETWEEN 1 AND 10", name="priority"),
    CheckConstraint("(status = 'processing') = (lease_owner IS NOT NULL)", name="lease"),
    Index("idx_incoming_original", "original_request_id", unique=True),
    Index("idx_incoming_status", "status"),
    Index("idx_incoming_imported", text("imported_at DESC"), text("original_request_id DESC")),
    Index("idx_incoming_batch", "import_batch_id"),
    # The queue itself: what may be executed now, by priority, and of each user the oldest first.
    Index(
        "idx_incoming_queue",
        text("priority DESC"),
        "user_id",
        "requested_at",
        "id",
        postgresql_where=text("status IN ('pending', 'retry') AND retry_at IS NULL"),
    ),
    # What comes back into it, and what may run out of time there.
    Index("idx_incoming_retry", "retry_at", postgresql_where=text("status = 'retry' AND retry_at IS NOT NULL")),
    Index(
        "idx_incoming_expiring",
        "not_after",
        postgresql_where=text("status IN ('pending', 'retry') AND not_after IS NOT NULL"),
    ),
    Index("idx_incoming_user", "user_id", text("imported_at DESC")),
    Index("idx_incoming_lease", "lease_expires_at", postgresql_where=text("status = 'processing'")),
)

# A cancellation may arrive before its request; this row is what the request then meets.
cancellations = Table(
    "cancellations",
    response_metadata,
    Column("request_id", Uuid, primary_key=True),
    Column("cancelled_at", DateTime(timezone=True), nullable=False),
    Column("imported_at", DateTime(timezone=True), nullable=False, server_default=NOW),
    Column("import_batch_id", Uuid),
)

query_results = Table(
    "query_results",
    response_metadata,
    Column("id", Uuid, primary_key=True, server_default=text("gen_random_uuid()")),
    Column("request_id", Uuid, ForeignKey("incoming_requests.id"), nullable=False, unique=True),
    Column("original_request_id", Uuid, nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("failure_reason", String(50)),
    Column("message", Text),
    # The engine's text exactly (`jsonb` would reorder keys and round numbers), up to 256 KiB; longer ones are chunks.
    Column("result_data", EXACT_JSON),
    Column("total_length", Integer, nullable=False, server_default=text("0")),
    Column("sha256", LargeBinary),
    Column("result_count", BigInteger, nullable=False, server_default=text("0")),
    Column("execution_time_ms", Integer, nullable=False, server_default=text("0")),
    Column("elasticsearch_took_ms", Integer, nullable=False, server_default=text("0")),
    Column("cache_hit", Boolean, nullable=False, server_default=text("false")),
    Column("partial", Boolean, nullable=False, server_default=text("false")),
    Column("executions", SmallInteger, nullable=False, server_default=text("0")),
    Column("executed_at", DateTime(timezone=True), nullable=False, server_default=NOW),
    Column("exported_at", DateTime(timezone=True)),
    Column("export_batch_id", Uuid),
    Column("acknowledged_at", DateTime(timezone=True)),
    Column("metadata", JSONB),
    CheckConstraint("outcome IN ('completed', 'failed', 'cancelled')", name="outcome"),
    CheckConstraint("(outcome = 'failed') = (failure_reason IS NOT NULL)", name="failure_reason"),
    Index("idx_results_original", "original_request_id", unique=True),
    Index("idx_results_executed", text("executed_at DESC")),
    Index("idx_results_export", "export_batch_id", postgresql_where=text("export_batch_id IS NOT NULL")),
    Index("idx_results_waiting", "executed_at", "id", postgresql_where=text("export_batch_id IS NULL")),
)

# Stored as it is: an answer is compressed in its bundle, and TOAST compression would cost more than it saves.
result_chunks = Table(
    "result_chunks",
    response_metadata,
    Column("id", Uuid, ForeignKey("query_results.id"), primary_key=True),
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)

# One row for each replication bundle: what it says of its table, and what became of it.
replication_batches = Table(
    "replication_batches",
    response_metadata,
    Column("batch_id", Uuid, primary_key=True),
    Column("kind", String(50), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("snapshot", Boolean, nullable=False),
    Column("since_revision", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("row_count", BigInteger, nullable=False),
    Column("table_digest", LargeBinary, nullable=False),
    Column("status", String(20), nullable=False),
    Column("claimed_at", DateTime(timezone=True), nullable=False),
    # The schema in which the rows were written for the other network.
    Column("schema_minor", Integer, nullable=False, server_default=text("0")),
    CheckConstraint("status IN ('claimed', 'sealed', 'acknowledged', 'released')", name="status"),
    Index("ix_replication_batches_place", "kind", "epoch", "sequence", unique=True),
)

# The claimed records of a replication bundle, as they were then; they go once the file is durable.
replication_blocks = Table(
    "replication_blocks",
    response_metadata,
    # Deferred: the batch's row holds a digest that is known only after the last block.
    Column(
        "batch_id",
        Uuid,
        ForeignKey("replication_batches.batch_id", deferrable=True, initially="DEFERRED"),
        primary_key=True,
    ),
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("records", ARRAY(LargeBinary), nullable=False),
)
