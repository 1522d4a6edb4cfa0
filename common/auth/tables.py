"""Tables of sign-in: open sessions, refresh tokens by hash, what was ended early, and counted attempts."""

from __future__ import annotations

from sqlalchemy import (
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
    text,
)
from sqlalchemy.dialects.postgresql import INET

from common.database.metadata import shared_metadata

sessions = Table(
    "sessions",
    shared_metadata,
    Column("id", Uuid, primary_key=True),
    Column("user_id", Uuid, nullable=False),
    Column("signed_in_at", DateTime(timezone=True), nullable=False),
    # When the newest refresh token was given, and until when it is good.
    Column("refreshed_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False, index=True),
    # Where the session was last seen to sign in or refresh from.
    Column("address", INET),
    Column("user_agent", Text),
    Index("ix_sessions_user_id", "user_id", "signed_in_at"),
)

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
    # False where only what a user's tokens say is out of date: access tokens up to `ended_at` are to be refreshed.
    Column("ends_session", Boolean, nullable=False, server_default=text("true")),
    Column("reason", Text, nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
    # The transaction that wrote it, by which every process polls for what it has not seen yet.
    Column("recorded_by", BigInteger, nullable=False, server_default=text("pg_current_xact_id()::text::bigint")),
    CheckConstraint("num_nonnulls(session_id, user_id) = 1", name="one_subject"),
    Index("ix_session_endings_recorded_by", "recorded_by"),
    Index("ix_session_endings_session_id", "session_id", postgresql_where=text("session_id IS NOT NULL")),
    Index("ix_session_endings_user_id", "user_id", postgresql_where=text("user_id IS NOT NULL")),
)

sign_in_attempts = Table(
    "sign_in_attempts",
    shared_metadata,
    Column("kind", String(16), primary_key=True),
    # SHA-256 of the name or the address: people type passwords where names belong.
    Column("subject_hash", LargeBinary, primary_key=True),
    Column("attempts", Integer, nullable=False),
    Column("window_started_at", DateTime(timezone=True), nullable=False),
    Column("blocked_until", DateTime(timezone=True)),
    # No later than this the row says nothing any more.
    Column("expires_at", DateTime(timezone=True), nullable=False, index=True),
    CheckConstraint("kind IN ('name', 'address')", name="kind"),
    CheckConstraint("attempts >= 0", name="attempts"),
)
