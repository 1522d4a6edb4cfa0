"""The schema in which bundles were written, and the functions by which alone an import writes the replica."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from request_svc.migrations.replica_functions import create_functions, drop_functions

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "export_batches", sa.Column("schema_minor", sa.Integer(), server_default=sa.text("0"), nullable=False)
    )
    schema = op.get_bind().scalar(sa.func.current_schema())
    for statement in create_functions(schema):
        op.execute(statement)


def downgrade() -> None:
    for statement in drop_functions():
        op.execute(statement)
    op.drop_column("export_batches", "schema_minor")
