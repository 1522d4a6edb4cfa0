"""The tables of this network alone: users, requests that arrived and their answers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "cancellations",
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "imported_at", sa.DateTime(timezone=True), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False
        ),
        sa.Column("import_batch_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_cancellations")),
    )
    op.create_table(
        "incoming_requests",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("original_request_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("index_name", sa.String(length=255), nullable=False),
        sa.Column("query_type", sa.String(length=50), nullable=False),
        sa.Column("query_params", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("search", sa.LargeBinary(), nullable=False),
        sa.Column("accept_partial", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("trace_id", sa.String(length=128), server_default="", nullable=False),
        sa.Column("priority", sa.SmallInteger(), server_default=sa.text("5"), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("not_after", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "imported_at", sa.DateTime(timezone=True), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False
        ),
        sa.Column("import_batch_id", sa.Uuid(), nullable=True),
        sa.Column("status", sa.String(length=50), server_default="pending", nullable=False),
        sa.Column("assigned_worker", sa.String(length=100), nullable=True),
        sa.Column("lease_owner", sa.Uuid(), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retry_count", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("failure_reason", sa.String(length=50), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.CheckConstraint(
            "(status = 'processing') = (lease_owner IS NOT NULL)", name=op.f("ck_incoming_requests_lease")
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'processing', 'completed', 'failed', 'retry', 'cancelled', 'expired')",
            name=op.f("ck_incoming_requests_status"),
        ),
        sa.CheckConstraint("priority BETWEEN 1 AND 10", name=op.f("ck_incoming_requests_priority")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incoming_requests")),
    )
    op.create_index("idx_incoming_batch", "incoming_requests", ["import_batch_id"], unique=False)
    op.create_index(
        "idx_incoming_imported",
        "incoming_requests",
        [sa.literal_column("imported_at DESC"), sa.literal_column("original_request_id DESC")],
        unique=False,
    )
    op.create_index(
        "idx_incoming_lease",
        "incoming_requests",
        ["lease_expires_at"],
        unique=False,
        postgresql_where=sa.text("status = 'processing'"),
    )
    op.create_index("idx_incoming_original", "incoming_requests", ["original_request_id"], unique=True)
    op.create_index(
        "idx_incoming_priority",
        "incoming_requests",
        [sa.literal_column("priority DESC"), "requested_at", "id"],
        unique=False,
        postgresql_where=sa.text("status IN ('pending', 'retry')"),
    )
    op.create_index("idx_incoming_status", "incoming_requests", ["status"], unique=False)
    op.create_table(
        "replication_batches",
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=50), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("snapshot", sa.Boolean(), nullable=False),
        sa.Column("since_revision", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=False),
        sa.Column("table_digest", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "status IN ('claimed', 'sealed', 'acknowledged', 'released')", name=op.f("ck_replication_batches_status")
        ),
        sa.PrimaryKeyConstraint("batch_id", name=op.f("pk_replication_batches")),
    )
    op.create_index("ix_replication_batches_place", "replication_batches", ["kind", "epoch", "sequence"], unique=True)
    op.create_table(
        "revision_counters",
        sa.Column("kind", sa.String(length=50), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", name=op.f("pk_revision_counters")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("username", sa.String(length=100), nullable=False),
        sa.Column("email", sa.String(length=255), nullable=False),
        sa.Column("hashed_password", sa.String(length=255), nullable=False),
        sa.Column("full_name", sa.String(length=255), server_default="", nullable=False),
        sa.Column("role", sa.String(length=20), server_default="user", nullable=False),
        sa.Column("profile_type", sa.String(length=50), server_default="basic", nullable=False),
        sa.Column("rate_limit_per_minute", sa.Integer(), server_default=sa.text("10"), nullable=False),
        sa.Column("rate_limit_per_hour", sa.Integer(), server_default=sa.text("100"), nullable=False),
        sa.Column("rate_limit_per_day", sa.Integer(), server_default=sa.text("500"), nullable=False),
        sa.Column("priority", sa.Integer(), server_default=sa.text("5"), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False
        ),
        sa.Column("last_login", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "profile_type IN ('basic', 'premium', 'enterprise', 'admin')", name=op.f("ck_users_profile_type")
        ),
        sa.CheckConstraint("role IN ('user', 'operator', 'admin', 'system')", name=op.f("ck_users_role")),
        sa.CheckConstraint("priority BETWEEN 1 AND 10", name=op.f("ck_users_priority")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
    )
    op.create_index("idx_users_active", "users", ["is_active"], unique=False)
    op.create_index("idx_users_profile", "users", ["profile_type"], unique=False)
    op.create_index("uq_users_email", "users", [sa.literal_column("lower(email)")], unique=True)
    op.create_index(
        "uq_users_one_active_admin",
        "users",
        [sa.literal_column("(role = 'admin')")],
        unique=True,
        postgresql_where=sa.text("role = 'admin' AND is_active"),
    )
    op.create_index("uq_users_revision", "users", ["revision"], unique=True)
    op.create_index("uq_users_username", "users", [sa.literal_column("lower(username)")], unique=True)
    op.create_table(
        "query_results",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("original_request_id", sa.Uuid(), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("failure_reason", sa.String(length=50), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("result_data", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("total_length", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=True),
        sa.Column("result_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("execution_time_ms", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("elasticsearch_took_ms", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("cache_hit", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("partial", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("executions", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "executed_at", sa.DateTime(timezone=True), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False
        ),
        sa.Column("exported_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("export_batch_id", sa.Uuid(), nullable=True),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.CheckConstraint(
            "(outcome = 'failed') = (failure_reason IS NOT NULL)", name=op.f("ck_query_results_failure_reason")
        ),
        sa.CheckConstraint("outcome IN ('completed', 'failed', 'cancelled')", name=op.f("ck_query_results_outcome")),
        sa.ForeignKeyConstraint(["request_id"], ["incoming_requests.id"], name=op.f("fk_query_results_request_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_query_results")),
        sa.UniqueConstraint("request_id", name=op.f("uq_query_results_request_id")),
    )
    op.create_index("idx_results_executed", "query_results", [sa.literal_column("executed_at DESC")], unique=False)
    op.create_index(
        "idx_results_export",
        "query_results",
        ["export_batch_id"],
        unique=False,
        postgresql_where=sa.text("export_batch_id IS NOT NULL"),
    )
    op.create_index("idx_results_original", "query_results", ["original_request_id"], unique=True)
    op.create_index(
        "idx_results_waiting",
        "query_results",
        ["executed_at", "id"],
        unique=False,
        postgresql_where=sa.text("export_batch_id IS NULL"),
    )
    op.create_table(
        "replication_blocks",
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("records", postgresql.ARRAY(sa.LargeBinary()), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["replication_batches.batch_id"],
            name=op.f("fk_replication_blocks_batch_id"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("batch_id", "n", name=op.f("pk_replication_blocks")),
    )
    op.create_table(
        "result_chunks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["id"], ["query_results.id"], name=op.f("fk_result_chunks_id")),
        sa.PrimaryKeyConstraint("id", "n", name=op.f("pk_result_chunks")),
    )

    # Answers are compressed in their bundles; compressing them here as well costs more than it saves.
    op.execute("ALTER TABLE result_chunks ALTER COLUMN data SET STORAGE EXTERNAL")


def downgrade() -> None:
    op.drop_table("result_chunks")
    op.drop_table("replication_blocks")
    op.drop_index(
        "idx_results_waiting", table_name="query_results", postgresql_where=sa.text("export_batch_id IS NULL")
    )
    op.drop_index("idx_results_original", table_name="query_results")
    op.drop_index(
        "idx_results_export", table_name="query_results", postgresql_where=sa.text("export_batch_id IS NOT NULL")
    )
    op.drop_index("idx_results_executed", table_name="query_results")
    op.drop_table("query_results")
    op.drop_index("uq_users_username", table_name="users")
    op.drop_index("uq_users_revision", table_name="users")
    op.drop_index(
        "uq_users_one_active_admin", table_name="users", postgresql_where=sa.text("role = 'admin' AND is_active")
    )
    op.drop_index("uq_users_email", table_name="users")
    op.drop_index("idx_users_profile", table_name="users")
    op.drop_index("idx_users_active", table_name="users")
    op.drop_table("users")
    op.drop_table("revision_counters")
    op.drop_index("ix_replication_batches_place", table_name="replication_batches")
    op.drop_table("replication_batches")
    op.drop_index("idx_incoming_status", table_name="incoming_requests")
    op.drop_index(
        "idx_incoming_priority",
        table_name="incoming_requests",
        postgresql_where=sa.text("status IN ('pending', 'retry')"),
    )
    op.drop_index("idx_incoming_original", table_name="incoming_requests")
    op.drop_index(
        "idx_incoming_lease", table_name="incoming_requests", postgresql_where=sa.text("status = 'processing'")
    )
    op.drop_index("idx_incoming_imported", table_name="incoming_requests")
    op.drop_index("idx_incoming_batch", table_name="incoming_requests")
    op.drop_table("incoming_requests")
    op.drop_table("cancellations")
