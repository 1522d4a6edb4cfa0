"""The schema in which bundles were written."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "export_batches", sa.Column("schema_minor", sa.Integer(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column(
        "replication_batches", sa.Column("schema_minor", sa.Integer(), server_default=sa.text("0"), nullable=False)
    )


def downgrade() -> None:
    op.drop_column("replication_batches", "schema_minor")
    op.drop_column("export_batches", "schema_minor")
