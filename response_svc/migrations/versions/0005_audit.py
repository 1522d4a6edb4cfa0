"""The audit trail is append-only and sealed in segments; outcomes, and what each network saw of the other's chain."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from common.audit.guard import DROP_FUNCTIONS, GUARD

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "audit_logs", sa.Column("outcome", sa.String(length=10), server_default=sa.text("'ok'"), nullable=False)
    )
    op.execute(
        "UPDATE audit_logs SET outcome = 'refused' WHERE action IN ('auth.sign_in_refused', 'auth.refresh_refused')"
    )
    op.create_check_constraint(op.f("ck_audit_logs_outcome"), "audit_logs", "outcome IN ('ok', 'refused', 'failed')")
    op.create_index("idx_audit_address", "audit_logs", ["ip_address"], unique=False)
    op.create_table(
        "audit_segments",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("first_id", sa.BigInteger(), nullable=False),
        sa.Column("last_id", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("previous_digest", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False),
        sa.CheckConstraint(
            "octet_length(digest) = 32 AND octet_length(previous_digest) = 32", name=op.f("ck_audit_segments_digests")
        ),
        sa.CheckConstraint("number > 0 AND rows > 0 AND first_id <= last_id", name=op.f("ck_audit_segments_range")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit_segments")),
    )
    op.create_table(
        "audit_forgettings",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "forgotten_at", sa.DateTime(timezone=True), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit_forgettings")),
    )
    op.create_table(
        "audit_witnesses",
        sa.Column("chain", sa.String(length=4), nullable=False),
        sa.Column("epoch", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("agrees", sa.Boolean(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("chain IN ('own', 'peer')", name=op.f("ck_audit_witnesses_chain")),
        sa.CheckConstraint("octet_length(digest) = 32", name=op.f("ck_audit_witnesses_digest")),
        sa.PrimaryKeyConstraint("chain", "epoch", "sequence", name=op.f("pk_audit_witnesses")),
    )
    op.create_index("ix_audit_witnesses_number", "audit_witnesses", ["chain", "number"], unique=False)
    op.create_index(
        "ix_audit_witnesses_disagreeing",
        "audit_witnesses",
        ["seen_at"],
        unique=False,
        postgresql_where=sa.text("NOT agrees"),
    )
    for statement in GUARD:
        op.execute(statement)


def downgrade() -> None:
    for statement in DROP_FUNCTIONS:
        op.execute(statement)
    op.drop_table("audit_witnesses")
    op.drop_table("audit_forgettings")
    op.drop_table("audit_segments")
    op.drop_index("idx_audit_address", table_name="audit_logs")
    op.drop_constraint(op.f("ck_audit_logs_outcome"), "audit_logs")
    op.drop_column("audit_logs", "outcome")
