"""Signing keys that were announced, learned or revoked, a report of every import, and the size of what is in flight."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("import_batches", sa.Column("report", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column(
        "requests", sa.Column("travelled_before", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.create_index("idx_import_batches_source_batch", "import_batches", ["source_batch_id"], unique=False)
    op.add_column("streams", sa.Column("peer_minor", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column(
        "streams",
        sa.Column("peer_key_versions", sa.ARRAY(sa.String(length=32)), server_default=sa.text("'{}'"), nullable=False),
    )
    op.add_column("stream_bundles", sa.Column("size_bytes", sa.BigInteger(), nullable=True))
    op.execute(
        "UPDATE stream_bundles SET size_bytes = file_size_bytes FROM export_batches"
        " WHERE export_batches.id = stream_bundles.batch_id AND direction = 'outgoing' AND disposition <> 'claimed'"
    )
    op.create_table(
        "own_signing_keys",
        sa.Column("key_id", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("announced_epoch", sa.BigInteger(), nullable=False),
        sa.Column("announced_from", sa.BigInteger(), nullable=False),
        sa.Column("announced_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("octet_length(key_id) = 32", name=op.f("ck_own_signing_keys_key_id")),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_own_signing_keys")),
    )
    op.create_table(
        "peer_signing_keys",
        sa.Column("key_id", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=True),
        sa.Column("learned_epoch", sa.BigInteger(), nullable=True),
        sa.Column("learned_sequence", sa.BigInteger(), nullable=True),
        sa.Column("introduced_by", sa.LargeBinary(), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("octet_length(key_id) = 32", name=op.f("ck_peer_signing_keys_key_id")),
        sa.CheckConstraint("octet_length(public_key) = 32", name=op.f("ck_peer_signing_keys_public_key")),
        sa.CheckConstraint("public_key IS NOT NULL OR revoked_at IS NOT NULL", name=op.f("ck_peer_signing_keys_known")),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_peer_signing_keys")),
    )


def downgrade() -> None:
    op.drop_table("peer_signing_keys")
    op.drop_table("own_signing_keys")
    op.drop_column("stream_bundles", "size_bytes")
    op.drop_column("streams", "peer_key_versions")
    op.drop_column("streams", "peer_minor")
    op.drop_index("idx_import_batches_source_batch", table_name="import_batches")
    op.drop_column("import_batches", "report")
    op.drop_column("requests", "travelled_before")
