"""Settings, profile types and allowed indices."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    policy_table("profile_types", "name", 50)
    policy_table("settings", "key", 100)
    policy_table("indices", "name", 255)
    op.add_column(
        "users", sa.Column("inherits", sa.ARRAY(sa.String(length=30)), server_default=sa.text("'{}'"), nullable=False)
    )
    op.add_column("users", sa.Column("session_version", sa.Integer(), server_default=sa.text("0"), nullable=False))


def policy_table(name: str, key: str, length: int) -> None:
    op.create_table(
        name,
        sa.Column(key, sa.String(length=length), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("is_deleted", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "changed_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("row_digest", sa.LargeBinary(), nullable=True),
        sa.Column("import_batch_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint(key, name=op.f(f"pk_{name}")),
    )


def downgrade() -> None:
    op.drop_column("users", "session_version")
    op.drop_column("users", "inherits")
    op.drop_table("indices")
    op.drop_table("settings")
    op.drop_table("profile_types")
