"""Tables of what happened: the audit trail with its sealed segments, and the services' own warnings."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    Uuid,
    event,
    text,
)
from sqlalchemy.dialects.postgresql import INET, JSONB

from common.audit.guard import GUARD
from common.database.metadata import shared_metadata

OK, REFUSED, FAILED = "ok", "refused", "failed"
OWN, PEER = "own", "peer"


def _now(name: str) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=False, server_default=text("CURRENT_TIMESTAMP"))


audit_logs = Table(
    "audit_logs",
    shared_metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    # No foreign key: the trail outlives every account, and a sign-in may name none.
    Column("user_id", Uuid),
    Column("action", String(100), nullable=False),
    Column("resource_type", String(100)),
    Column("resource_id", String(100)),
    Column("ip_address", INET),
    Column("user_agent", Text),
    Column("request_data", JSONB),
    # The number of the gRPC status that a refused call was answered with.
    Column("response_status", Integer),
    _now("created_at"),
    Column("metadata", JSONB),
    Column("outcome", String(10), nullable=False, server_default=text("'ok'")),
    CheckConstraint("outcome IN ('ok', 'refused', 'failed')", name="outcome"),
    Index("idx_audit_user", "user_id"),
    Index("idx_audit_action", "action"),
    Index("idx_audit_created", text("created_at DESC")),
    Index("idx_audit_resource", "resource_type", "resource_id"),
    Index("idx_audit_address", "ip_address"),
)

# Rows from behind the segment before up to `last_id`, sealed: they are not changed without being noticed.
audit_segments = Table(
    "audit_segments",
    shared_metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("first_id", BigInteger, nullable=False),
    Column("last_id", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("previous_digest", LargeBinary, nullable=False),
    # By the database's clock, whatever the sealer says.
    _now("sealed_at"),
    CheckConstraint("octet_length(digest) = 32 AND octet_length(previous_digest) = 32", name="digests"),
    CheckConstraint("number > 0 AND rows > 0 AND first_id <= last_id", name="range"),
)

# Segments whose rows are gone; their own rows stay, so that the chain can be followed for ever.
audit_forgettings = Table(
    "audit_forgettings",
    shared_metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    _now("forgotten_at"),
)

# What bundles said of chains: of the other network's own (`peer`), or of ours, as the other network saw it (`own`).
audit_witnesses = Table(
    "audit_witnesses",
    shared_metadata,
    Column("chain", String(4), primary_key=True),
    # The bundle that said it.
    Column("epoch", BigInteger, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    # Whether it fitted what is known here.
    Column("agrees", Boolean, nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("chain IN ('own', 'peer')", name="chain"),
    CheckConstraint("octet_length(digest) = 32", name="digest"),
    Index("ix_audit_witnesses_number", "chain", "number"),
    Index("ix_audit_witnesses_disagreeing", "seen_at", postgresql_where=text("NOT agrees")),
)

system_logs = Table(
    "system_logs",
    shared_metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("level", String(20), nullable=False),
    Column("component", String(100), nullable=False),
    Column("message", Text, nullable=False),
    Column("error_trace", Text),
    Column("request_id", Uuid),
    _now("created_at"),
    Column("metadata", JSONB),
    Index("idx_logs_level", "level"),
    Index("idx_logs_component", "component"),
    Index("idx_logs_created", text("created_at DESC")),
    Index("idx_logs_request", "request_id", postgresql_where=text("request_id IS NOT NULL")),
)

for _statement in GUARD:
    # Tables that are made without a migration, as tests make them, are guarded all the same.
    event.listen(shared_metadata, "after_create", DDL(_statement))  # type: ignore[no-untyped-call] # SQLAlchemy's own.
