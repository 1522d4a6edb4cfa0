"""Tables of what happened: the audit trail of people's actions, and the services' own warnings."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, Integer, String, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import INET, JSONB

from common.database.metadata import shared_metadata

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
    Column("response_status", Integer),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("CURRENT_TIMESTAMP")),
    Column("metadata", JSONB),
    Index("idx_audit_user", "user_id"),
    Index("idx_audit_action", "action"),
    Index("idx_audit_created", text("created_at DESC")),
    Index("idx_audit_resource", "resource_type", "resource_id"),
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
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("CURRENT_TIMESTAMP")),
    Column("metadata", JSONB),
    Index("idx_logs_level", "level"),
    Index("idx_logs_component", "component"),
    Index("idx_logs_created", text("created_at DESC")),
    Index("idx_logs_request", "request_id", postgresql_where=text("request_id IS NOT NULL")),
)
