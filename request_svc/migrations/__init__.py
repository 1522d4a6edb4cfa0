"""The Request Network's schema, step by step. `METADATA` is what the newest step must add up to."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from common.audit import tables as audit_tables
from common.auth import tables as auth_tables
from common.batches import tables as batch_tables
from common.database.metadata import shared_metadata
from common.jobs import tables as job_tables
from common.policy import tables as policy_tables
from request_svc.adapters.tables import service_metadata

METADATA: Final = (shared_metadata, service_metadata)
LOCATION: Final = Path(__file__).parent
# Importing them is what puts their tables into the shared metadata.
SHARED_TABLES: Final = (audit_tables, auth_tables, batch_tables, job_tables, policy_tables)
