"""Tables of sessions: refresh tokens by hash, and the sessions that were ended before their tokens ran out."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    LargeBinary,
    Table,
    Text,
    Uuid,
    text,
)

from common.database.metadata import shared_metadata

refresh_tokens = Table(
    "refresh_tokens",
    shared_metadata,
    Column("id", Uuid, primary_key=True),
    Column("session_id", Uuid, nullable=False, index=True),
    Column("user_id", Uuid, nullable=False, index=True),
    # SHA-256 of the token: a copy of this table lets nobody in.
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    # When the password was given; every token of the session keeps it.
    Column("signed_in_at", DateTime(timezone=True), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False, index=True),
    Column("spent_at", DateTime(timezone=True)),
)

session_endings = Table(
    "session_endings",
    shared_metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    # One session, or every session of a user that began up to `ended_at`.
    Column("session_id", Uuid),
    Column("user_id", Uuid),
    Column("ended_at", DateTime(timezone=True), nullable=False),
    Column("reason", Text, nullable=False),
    # The database's own clock, by which every process polls for what is new.
    Column("recorded_at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
    CheckConstraint("num_nonnulls(session_id, user_id) = 1", name="one_subject"),
    Index("ix_session_endings_recorded_at", "recorded_at"),
    Index("ix_session_endings_session_id", "session_id", postgresql_where=text("session_id IS NOT NULL")),
    Index("ix_session_endings_user_id", "user_id", postgresql_where=text("user_id IS NOT NULL")),
)
