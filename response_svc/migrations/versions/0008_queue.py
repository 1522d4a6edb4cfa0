"""The queue in turns: an index by priority and user, a claim in one call, and indices of what waits for a time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from response_svc.migrations.claim_function import CLAIM_FUNCTION, DROP_CLAIM_FUNCTION

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

QUEUED = "status IN ('pending', 'retry') AND retry_at IS NULL"
LATER = "status = 'retry' AND retry_at IS NOT NULL"
EXPIRING = "status IN ('pending', 'retry') AND not_after IS NOT NULL"


def upgrade() -> None:
    op.create_index(
        "idx_incoming_queue",
        "incoming_requests",
        [sa.literal_column("priority DESC"), "user_id", "requested_at", "id"],
        unique=False,
        postgresql_where=sa.text(QUEUED),
    )
    op.create_index("idx_incoming_retry", "incoming_requests", ["retry_at"], postgresql_where=sa.text(LATER))
    op.create_index("idx_incoming_expiring", "incoming_requests", ["not_after"], postgresql_where=sa.text(EXPIRING))
    op.create_index("idx_incoming_user", "incoming_requests", ["user_id", sa.literal_column("imported_at DESC")])
    op.drop_index("idx_incoming_priority", table_name="incoming_requests")
    op.execute(CLAIM_FUNCTION)


def downgrade() -> None:
    op.execute(DROP_CLAIM_FUNCTION)
    op.create_index(
        "idx_incoming_priority",
        "incoming_requests",
        [sa.literal_column("priority DESC"), "requested_at", "id"],
        unique=False,
        postgresql_where=sa.text("status IN ('pending', 'retry')"),
    )
    op.drop_index("idx_incoming_user", table_name="incoming_requests")
    op.drop_index("idx_incoming_expiring", table_name="incoming_requests")
    op.drop_index("idx_incoming_retry", table_name="incoming_requests")
    op.drop_index("idx_incoming_queue", table_name="incoming_requests")
