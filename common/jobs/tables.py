"""The table of jobs, one row each, with what its last run did."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Double, String, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from common.database.metadata import shared_metadata

job_runs = Table(
    "job_runs",
    shared_metadata,
    Column("name", String(100), primary_key=True),
    Column("last_started_at", DateTime(timezone=True), nullable=False),
    # Absent while a run is under way, or when it died.
    Column("last_finished_at", DateTime(timezone=True)),
    Column("last_succeeded", Boolean),
    Column("last_duration_seconds", Double),
    # What it did, in numbers, for programs and for people.
    Column("last_counts", JSONB),
    Column("last_summary", Text),
    Column("last_error", Text),
    Column("last_success_at", DateTime(timezone=True)),
    Column("runs", BigInteger, nullable=False, server_default=text("0")),
    Column("failures", BigInteger, nullable=False, server_default=text("0")),
)
