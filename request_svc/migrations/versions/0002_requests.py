"""The tables of this network alone."""

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
        "replica_states",
        sa.Column("kind", sa.String(length=50), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=False),
        sa.Column("table_digest", sa.LargeBinary(), nullable=False),
        sa.Column("in_step", sa.Boolean(), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "applied_at", sa.DateTime(timezone=True), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False
        ),
        sa.PrimaryKeyConstraint("kind", name=op.f("pk_replica_states")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("username", sa.String(length=100), nullable=False),
        sa.Column("email", sa.String(length=255), nullable=False),
        sa.Column("hashed_password", sa.String(length=255), nullable=False),
        sa.Column("full_name", sa.String(length=255), server_default="", nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("profile_type", sa.String(length=50), server_default="basic", nullable=False),
        sa.Column("rate_limit_per_minute", sa.Integer(), server_default="10", nullable=False),
        sa.Column("rate_limit_per_hour", sa.Integer(), server_default="100", nullable=False),
        sa.Column("rate_limit_per_day", sa.Integer(), server_default="500", nullable=False),
        sa.Column("priority", sa.Integer(), server_default="5", nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("synced_at", sa.DateTime(timezone=True), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False),
        sa.Column("import_batch_id", sa.Uuid(), nullable=False),
        sa.Column("missing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("row_digest", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("role IN ('user', 'operator', 'admin', 'system')", name=op.f("ck_users_role")),
        sa.CheckConstraint("priority BETWEEN 1 AND 10", name=op.f("ck_users_priority")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", deferrable=True, initially="DEFERRED", name=op.f("uq_users_email")),
        sa.UniqueConstraint("username", deferrable=True, initially="DEFERRED", name=op.f("uq_users_username")),
    )
    op.create_index("idx_users_batch", "users", ["import_batch_id"], unique=False)
    op.create_index("idx_users_username", "users", [sa.literal_column("lower(username)")], unique=False)
    op.create_table(
        "requests",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("index_name", sa.String(length=255), nullable=False),
        sa.Column("query_type", sa.String(length=50), nullable=False),
        sa.Column("query_params", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("search", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.String(length=50), server_default="pending", nullable=False),
        sa.Column("priority", sa.Integer(), server_default="5", nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False
        ),
        sa.Column("not_after", sa.DateTime(timezone=True), nullable=True),
        sa.Column("accept_partial", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("idempotency_key", sa.String(length=128), nullable=True),
        sa.Column("trace_id", sa.String(length=128), server_default="", nullable=False),
        sa.Column("exported_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("export_batch_id", sa.Uuid(), nullable=True),
        sa.Column("export_sequence", sa.BigInteger(), nullable=True),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("result_received_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retry_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failure_reason", sa.String(length=50), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_pending", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("cancel_batch_id", sa.Uuid(), nullable=True),
        sa.Column("cancel_acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.CheckConstraint(
            "(status = 'failed') = (failure_reason IS NOT NULL)", name=op.f("ck_requests_failed_has_reason")
        ),
        sa.CheckConstraint(
            "failure_reason IN ('REFUSED', 'EXPIRED', 'ENGINE_ERROR', 'TIMEOUT', 'RESULT_TOO_LARGE', 'PARTIAL_RESULT')",
            name=op.f("ck_requests_failure_reason"),
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'queued', 'exported', 'processing', 'completed', 'failed', 'cancelled')",
            name=op.f("ck_requests_status"),
        ),
        sa.CheckConstraint(
            "octet_length(body) <= 262144 AND octet_length(search) <= 262144", name=op.f("ck_requests_question_length")
        ),
        sa.CheckConstraint("priority BETWEEN 1 AND 10", name=op.f("ck_requests_priority")),
        sa.CheckConstraint("retry_count >= 0 AND retry_count <= 5", name=op.f("ck_requests_retry")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_requests_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_requests")),
    )
    op.create_index(
        "idx_requests_batch",
        "requests",
        ["export_batch_id"],
        unique=False,
        postgresql_where=sa.text("export_batch_id IS NOT NULL"),
    )
    op.create_index(
        "idx_requests_cancel_batch",
        "requests",
        ["cancel_batch_id"],
        unique=False,
        postgresql_where=sa.text("cancel_batch_id IS NOT NULL"),
    )
    op.create_index(
        "idx_requests_cancellations",
        "requests",
        ["cancelled_at", "id"],
        unique=False,
        postgresql_where=sa.text("cancel_pending"),
    )
    op.create_index("idx_requests_created", "requests", [sa.literal_column("created_at DESC")], unique=False)
    op.create_index(
        "idx_requests_export",
        "requests",
        ["exported_at"],
        unique=False,
        postgresql_where=sa.text("exported_at IS NOT NULL"),
    )
    op.create_index(
        "idx_requests_idempotency",
        "requests",
        ["user_id", "idempotency_key"],
        unique=True,
        postgresql_where=sa.text("idempotency_key IS NOT NULL"),
    )
    op.create_index(
        "idx_requests_pending",
        "requests",
        [sa.literal_column("priority DESC"), "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index("idx_requests_status", "requests", ["status"], unique=False)
    op.create_index("idx_requests_user", "requests", ["user_id", "created_at", "id"], unique=False)
    op.create_table(
        "responses",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("result_data", postgresql.JSON(astext_type=sa.Text()), nullable=True),
        sa.Column("result_bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("result_sha256", sa.LargeBinary(), nullable=True),
        sa.Column("result_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("execution_time_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("engine_took_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("executed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "received_at", sa.DateTime(timezone=True), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False
        ),
        sa.Column("import_batch_id", sa.Uuid(), nullable=True),
        sa.Column("import_sequence", sa.BigInteger(), nullable=True),
        sa.Column("is_cached", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("is_partial", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("cache_key", sa.String(length=255), nullable=True),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.CheckConstraint("outcome IN ('completed', 'failed')", name=op.f("ck_responses_outcome")),
        sa.ForeignKeyConstraint(["request_id"], ["requests.id"], name=op.f("fk_responses_request_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_responses")),
    )
    op.create_index(
        "idx_responses_batch",
        "responses",
        ["import_batch_id"],
        unique=False,
        postgresql_where=sa.text("import_batch_id IS NOT NULL"),
    )
    op.create_index(
        "idx_responses_cache",
        "responses",
        ["cache_key"],
        unique=False,
        postgresql_where=sa.text("cache_key IS NOT NULL"),
    )
    op.create_index("idx_responses_received", "responses", [sa.literal_column("received_at DESC")], unique=False)
    op.create_index("idx_responses_request", "responses", ["request_id"], unique=True)
    op.create_table(
        "result_chunks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["id"], ["requests.id"], name=op.f("fk_result_chunks_id")),
        sa.PrimaryKeyConstraint("id", "n", name=op.f("pk_result_chunks")),
    )
    op.execute("ALTER TABLE result_chunks ALTER COLUMN data SET STORAGE EXTERNAL")


def downgrade() -> None:
    for table in ("result_chunks", "responses", "requests", "users", "replica_states"):
        op.drop_table(table)
