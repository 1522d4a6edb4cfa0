"""What Alembic runs: this network's migrations, on the connection that `migrate` opened."""

from __future__ import annotations

from common.database.migrations import run_env
from response_svc.migrations import METADATA

run_env(METADATA)
