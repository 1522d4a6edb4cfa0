"""The command `airlock-request`: serve, worker, scheduler, migrate and check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from common.cli.main import make_cli
from common.cli.service import Service
from common.health.checks import HealthError
from request_svc.adapters.tables import REPLICATED_TABLES, replica_states, users
from request_svc.app import build_app
from request_svc.jobs import jobs
from request_svc.settings import RequestSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.database.transaction import Database
    from common.health.checks import Check
    from common.settings import NetworkSettings


@dataclass(frozen=True, slots=True)
class UsersCheck:
    """Someone can sign in: a users bundle was imported."""

    database: Database
    name: str = "users"
    needed: bool = False

    async def __call__(self) -> str:
        """How many users there are, and how old the replica is."""
        async with self.database.transaction() as transaction:
            connection = transaction.connection
            active = await connection.scalar(select(func.count()).select_from(users).where(users.c.is_active))
            state = (await connection.execute(select(replica_states).where(replica_states.c.kind == "users"))).first()
        if state is None:
            raise HealthError(
                "No users bundle was imported yet, so nobody can sign in and nothing can be sent. On the Response "
                "Network run `airlock-response create-admin` and the users export, then bring the file with "
                "`transfer take` and `transfer deliver`."
            )
        if not state.in_step:
            raise HealthError(
                "The users differ from those of the Response Network; the next bundle there asks for all of them. "
                "Carry what lies in EXPORT_DIR, and bring back its answer."
            )
        return f"{active} active, as of {state.sealed_at:%Y-%m-%d %H:%M} UTC (bundle {state.epoch}/{state.sequence})"


def _checks(settings: NetworkSettings, database: Database) -> Sequence[Check]:
    return (UsersCheck(database),)


main = make_cli(
    Service(
        name="airlock-request",
        settings=RequestSettings,
        build_app=build_app,
        jobs=jobs,
        migrations="request_svc:migrations",
        read_only_tables=REPLICATED_TABLES,
        checks=_checks,
    )
)
