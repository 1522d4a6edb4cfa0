"""Open sessions as their users see them, counted attempts to sign in, and tokens that only need to be refreshed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("signed_in_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("refreshed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("address", postgresql.INET(), nullable=True),
        sa.Column("user_agent", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_expires_at"), "sessions", ["expires_at"], unique=False)
    op.create_index("ix_sessions_user_id", "sessions", ["user_id", "signed_in_at"], unique=False)
    op.execute(
        "INSERT INTO sessions (id, user_id, signed_in_at, refreshed_at, expires_at)"
        " SELECT DISTINCT ON (session_id) session_id, user_id, signed_in_at, created_at, expires_at"
        " FROM refresh_tokens ORDER BY session_id, created_at DESC"
    )
    op.create_table(
        "sign_in_attempts",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("subject_hash", sa.LargeBinary(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("window_started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("blocked_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('name', 'address')", name=op.f("ck_sign_in_attempts_kind")),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_sign_in_attempts_attempts")),
        sa.PrimaryKeyConstraint("kind", "subject_hash", name=op.f("pk_sign_in_attempts")),
    )
    op.create_index(op.f("ix_sign_in_attempts_expires_at"), "sign_in_attempts", ["expires_at"], unique=False)
    op.add_column(
        "session_endings", sa.Column("ends_session", sa.Boolean(), server_default=sa.text("true"), nullable=False)
    )
    op.add_column(
        "session_endings",
        sa.Column(
            "recorded_by",
            sa.BigInteger(),
            server_default=sa.text("pg_current_xact_id()::text::bigint"),
            nullable=False,
        ),
    )
    op.drop_index("ix_session_endings_recorded_at", table_name="session_endings")
    op.create_index("ix_session_endings_recorded_by", "session_endings", ["recorded_by"], unique=False)


def downgrade() -> None:
    # Without the column a mere change would count as an ending.
    op.execute("DELETE FROM session_endings WHERE NOT ends_session")
    op.drop_index("ix_session_endings_recorded_by", table_name="session_endings")
    op.create_index("ix_session_endings_recorded_at", "session_endings", ["recorded_at"], unique=False)
    op.drop_column("session_endings", "recorded_by")
    op.drop_column("session_endings", "ends_session")
    op.drop_table("sign_in_attempts")
    op.drop_table("sessions")
