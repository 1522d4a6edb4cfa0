"""The tables that both networks have: batches and streams, sessions, audit, jobs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_logs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("action", sa.String(length=100), nullable=False),
        sa.Column("resource_type", sa.String(length=100), nullable=True),
        sa.Column("resource_id", sa.String(length=100), nullable=True),
        sa.Column("ip_address", postgresql.INET(), nullable=True),
        sa.Column("user_agent", sa.Text(), nullable=True),
        sa.Column("request_data", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("response_status", sa.Integer(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False
        ),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_logs")),
    )
    op.create_index("idx_audit_action", "audit_logs", ["action"], unique=False)
    op.create_index("idx_audit_created", "audit_logs", [sa.literal_column("created_at DESC")], unique=False)
    op.create_index("idx_audit_resource", "audit_logs", ["resource_type", "resource_id"], unique=False)
    op.create_index("idx_audit_user", "audit_logs", ["user_id"], unique=False)
    op.create_table(
        "export_batches",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("batch_type", sa.String(length=50), nullable=False),
        sa.Column("filename", sa.String(length=255), nullable=False),
        sa.Column("file_path", sa.String(length=500), nullable=False),
        sa.Column("file_size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("record_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("checksum", sa.String(length=64), nullable=True),
        sa.Column("encrypted", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("status", sa.String(length=50), server_default=sa.text("'pending'"), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False
        ),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.Column("first_frame", sa.LargeBinary(), nullable=False),
        sa.Column("payload_bytes", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "batch_type IN ('requests', 'responses', 'users', 'settings', 'profile_types', 'status')",
            name=op.f("ck_export_batches_batch_type"),
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'processing', 'completed', 'failed')", name=op.f("ck_export_batches_status")
        ),
        sa.CheckConstraint("epoch > 0 AND sequence > 0", name=op.f("ck_export_batches_number")),
        sa.CheckConstraint("octet_length(digest) = 32", name=op.f("ck_export_batches_digest")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_export_batches")),
        sa.UniqueConstraint("epoch", "sequence", name=op.f("uq_export_batches_epoch_sequence")),
    )
    op.create_index(
        "idx_batches_created",
        "export_batches",
        [sa.literal_column("created_at DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(
        "idx_batches_processing",
        "export_batches",
        ["batch_type"],
        unique=False,
        postgresql_where=sa.text("status = 'processing'"),
    )
    op.create_index("idx_batches_status", "export_batches", ["status"], unique=False)
    op.create_index("idx_batches_type", "export_batches", ["batch_type"], unique=False)
    op.create_table(
        "import_batches",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("batch_type", sa.String(length=50), nullable=False),
        sa.Column("filename", sa.String(length=255), nullable=False),
        sa.Column("file_path", sa.String(length=500), nullable=False),
        sa.Column("file_size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("record_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("checksum", sa.String(length=64), nullable=True),
        sa.Column("source_batch_id", sa.Uuid(), nullable=True),
        sa.Column("status", sa.String(length=50), server_default=sa.text("'pending'"), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False
        ),
        sa.Column("processed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("epoch", sa.BigInteger(), nullable=True),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.Column("payload_bytes", sa.BigInteger(), nullable=True),
        sa.Column("defect", sa.String(length=64), nullable=True),
        sa.CheckConstraint(
            "batch_type IN ('requests', 'responses', 'users', 'settings', 'profile_types', 'status', 'unknown')",
            name=op.f("ck_import_batches_batch_type"),
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'processing', 'completed', 'failed', 'duplicate')",
            name=op.f("ck_import_batches_status"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_batches")),
    )
    op.create_index("idx_import_batches_checksum", "import_batches", ["checksum"], unique=False)
    op.create_index(
        "idx_import_batches_created",
        "import_batches",
        [sa.literal_column("created_at DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index("idx_import_batches_number", "import_batches", ["epoch", "sequence"], unique=False)
    op.create_index("idx_import_batches_status", "import_batches", ["status"], unique=False)
    op.create_table(
        "job_runs",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("last_started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_succeeded", sa.Boolean(), nullable=True),
        sa.Column("last_duration_seconds", sa.Double(), nullable=True),
        sa.Column("last_counts", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("last_summary", sa.Text(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("last_success_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("runs", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("failures", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_job_runs")),
    )
    op.create_table(
        "parked_records",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("import_batch_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=50), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.Column("parked_at", sa.DateTime(timezone=True), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False),
        sa.CheckConstraint(
            "kind IN ('requests', 'responses', 'users', 'settings', 'profile_types', 'status')",
            name=op.f("ck_parked_records_kind"),
        ),
        sa.CheckConstraint("octet_length(record) <= 1048576", name=op.f("ck_parked_records_record")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_parked_records")),
    )
    op.create_index(
        "ix_parked_records_parked_at", "parked_records", [sa.literal_column("parked_at DESC")], unique=False
    )
    op.create_index("ix_parked_records_record_id", "parked_records", ["record_id"], unique=False)
    op.create_table(
        "refresh_tokens",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("signed_in_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("spent_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refresh_tokens")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_refresh_tokens_token_hash")),
    )
    op.create_index(op.f("ix_refresh_tokens_expires_at"), "refresh_tokens", ["expires_at"], unique=False)
    op.create_index(op.f("ix_refresh_tokens_session_id"), "refresh_tokens", ["session_id"], unique=False)
    op.create_index(op.f("ix_refresh_tokens_user_id"), "refresh_tokens", ["user_id"], unique=False)
    op.create_table(
        "session_endings",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "recorded_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("num_nonnulls(session_id, user_id) = 1", name=op.f("ck_session_endings_one_subject")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_session_endings")),
    )
    op.create_index("ix_session_endings_recorded_at", "session_endings", ["recorded_at"], unique=False)
    op.create_index(
        "ix_session_endings_session_id",
        "session_endings",
        ["session_id"],
        unique=False,
        postgresql_where=sa.text("session_id IS NOT NULL"),
    )
    op.create_index(
        "ix_session_endings_user_id",
        "session_endings",
        ["user_id"],
        unique=False,
        postgresql_where=sa.text("user_id IS NOT NULL"),
    )
    op.create_table(
        "stream_bundles",
        sa.Column("direction", sa.String(length=16), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.Column("disposition", sa.String(length=16), nullable=False),
        sa.Column("kind", sa.String(length=50), nullable=True),
        sa.Column("batch_id", sa.Uuid(), nullable=True),
        sa.Column("refused_reason", sa.String(length=64), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "digest IS NOT NULL OR disposition IN ('claimed', 'retired')", name=op.f("ck_stream_bundles_sealed")
        ),
        sa.CheckConstraint("direction IN ('outgoing', 'incoming')", name=op.f("ck_stream_bundles_direction")),
        sa.CheckConstraint(
            "disposition IN ('claimed', 'sealed', 'acknowledged', 'voided', 'applied', 'refused', 'retired')",
            name=op.f("ck_stream_bundles_disposition"),
        ),
        sa.CheckConstraint("octet_length(digest) = 32", name=op.f("ck_stream_bundles_digest")),
        sa.PrimaryKeyConstraint("direction", "epoch", "sequence", name=op.f("pk_stream_bundles")),
    )
    op.create_index("ix_stream_bundles_batch_id", "stream_bundles", ["batch_id"], unique=False)
    op.create_index(
        "ix_stream_bundles_refused",
        "stream_bundles",
        ["epoch", "sequence"],
        unique=False,
        postgresql_where=sa.text("disposition = 'refused'"),
    )
    op.create_index(
        "ix_stream_bundles_unacknowledged",
        "stream_bundles",
        ["epoch", "sequence"],
        unique=False,
        postgresql_where=sa.text("direction = 'outgoing' AND acknowledged_at IS NULL"),
    )
    op.create_table(
        "streams",
        sa.Column("direction", sa.String(length=16), nullable=False),
        sa.Column("epoch", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_sequence", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_digest", sa.LargeBinary(), server_default=sa.text("''::bytea"), nullable=False),
        sa.Column("cumulative", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "running_digest",
            sa.LargeBinary(),
            server_default=sa.text("decode(repeat('00', 32), 'hex')"),
            nullable=False,
        ),
        sa.Column("used_epoch", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("used_sequence", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("peer_state", sa.LargeBinary(), nullable=True),
        sa.Column("snapshots_wanted", sa.ARRAY(sa.String(length=50)), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("news_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_moved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("alarm", sa.Text(), nullable=True),
        sa.Column("alarm_since", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("direction IN ('outgoing', 'incoming')", name=op.f("ck_streams_direction")),
        sa.CheckConstraint("cumulative <= last_sequence", name=op.f("ck_streams_cumulative")),
        sa.CheckConstraint("octet_length(running_digest) = 32", name=op.f("ck_streams_running_digest")),
        sa.PrimaryKeyConstraint("direction", name=op.f("pk_streams")),
    )
    op.create_table(
        "system_logs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("level", sa.String(length=20), nullable=False),
        sa.Column("component", sa.String(length=100), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("error_trace", sa.Text(), nullable=True),
        sa.Column("request_id", sa.Uuid(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False
        ),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_system_logs")),
    )
    op.create_index("idx_logs_component", "system_logs", ["component"], unique=False)
    op.create_index("idx_logs_created", "system_logs", [sa.literal_column("created_at DESC")], unique=False)
    op.create_index("idx_logs_level", "system_logs", ["level"], unique=False)
    op.create_index(
        "idx_logs_request",
        "system_logs",
        ["request_id"],
        unique=False,
        postgresql_where=sa.text("request_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("idx_logs_request", table_name="system_logs", postgresql_where=sa.text("request_id IS NOT NULL"))
    op.drop_index("idx_logs_level", table_name="system_logs")
    op.drop_index("idx_logs_created", table_name="system_logs")
    op.drop_index("idx_logs_component", table_name="system_logs")
    op.drop_table("system_logs")
    op.drop_table("streams")
    op.drop_index(
        "ix_stream_bundles_unacknowledged",
        table_name="stream_bundles",
        postgresql_where=sa.text("direction = 'outgoing' AND acknowledged_at IS NULL"),
    )
    op.drop_index(
        "ix_stream_bundles_refused", table_name="stream_bundles", postgresql_where=sa.text("disposition = 'refused'")
    )
    op.drop_index("ix_stream_bundles_batch_id", table_name="stream_bundles")
    op.drop_table("stream_bundles")
    op.drop_index(
        "ix_session_endings_user_id", table_name="session_endings", postgresql_where=sa.text("user_id IS NOT NULL")
    )
    op.drop_index(
        "ix_session_endings_session_id",
        table_name="session_endings",
        postgresql_where=sa.text("session_id IS NOT NULL"),
    )
    op.drop_index("ix_session_endings_recorded_at", table_name="session_endings")
    op.drop_table("session_endings")
    op.drop_index(op.f("ix_refresh_tokens_user_id"), table_name="refresh_tokens")
    op.drop_index(op.f("ix_refresh_tokens_session_id"), table_name="refresh_tokens")
    op.drop_index(op.f("ix_refresh_tokens_expires_at"), table_name="refresh_tokens")
    op.drop_table("refresh_tokens")
    op.drop_index("ix_parked_records_record_id", table_name="parked_records")
    op.drop_index("ix_parked_records_parked_at", table_name="parked_records")
    op.drop_table("parked_records")
    op.drop_table("job_runs")
    op.drop_index("idx_import_batches_status", table_name="import_batches")
    op.drop_index("idx_import_batches_number", table_name="import_batches")
    op.drop_index("idx_import_batches_created", table_name="import_batches")
    op.drop_index("idx_import_batches_checksum", table_name="import_batches")
    op.drop_table("import_batches")
    op.drop_index("idx_batches_type", table_name="export_batches")
    op.drop_index("idx_batches_status", table_name="export_batches")
    op.drop_index(
        "idx_batches_processing", table_name="export_batches", postgresql_where=sa.text("status = 'processing'")
    )
    op.drop_index("idx_batches_created", table_name="export_batches")
    op.drop_table("export_batches")
    op.drop_index("idx_audit_user", table_name="audit_logs")
    op.drop_index("idx_audit_resource", table_name="audit_logs")
    op.drop_index("idx_audit_created", table_name="audit_logs")
    op.drop_index("idx_audit_action", table_name="audit_logs")
    op.drop_table("audit_logs")
