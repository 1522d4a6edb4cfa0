"""What Alembic runs for each command on this network's database."""

from __future__ import annotations

from common.database.migrations import run_env
from request_svc.migrations import METADATA

run_env(METADATA)
