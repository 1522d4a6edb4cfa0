"""Tables of the policy, of one shape on both networks: the master changes their rows, the replica takes them over.

A row that was removed stays, marked, so that every replica hears of it.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, DateTime, LargeBinary, String, Table, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from common.database.metadata import shared_metadata


def _policy_table(name: str, key: str, length: int) -> Table:
    return Table(
        name,
        shared_metadata,
        Column(key, String(length), primary_key=True),
        # Checked by `common.policy` before it is written; see the dataclass of the same name there.
        Column("content", JSONB, nullable=False),
        Column("revision", BigInteger, nullable=False),
        Column("is_deleted", Boolean, nullable=False, server_default=text("false")),
        # By the database's own clock, so that every process sees that something changed.
        Column("changed_at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
        # On a replica only: the digest of the row as it was sent, and the bundle that held it last.
        Column("row_digest", LargeBinary),
        Column("import_batch_id", Uuid),
    )


profile_types = _policy_table("profile_types", "name", 50)
settings = _policy_table("settings", "key", 100)
indices = _policy_table("indices", "name", 255)
