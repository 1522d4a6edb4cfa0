"""What this network looks at beyond the parts that both have: the search engine, and whether there is an admin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from common.health.checks import HealthError
from response_svc.adapters.users import PostgresUsers
from response_svc.search.factory import make_engine

if TYPE_CHECKING:
    from common.database.transaction import Database
    from response_svc.ports import SearchEngine
    from response_svc.settings import ResponseSettings


@dataclass(frozen=True, slots=True)
class EngineCheck:
    """The search engine answers. Without it requests wait and no other call suffers, so it is not needed."""

    engine: SearchEngine
    name: str = "search_engine"
    needed: bool = False

    async def __call__(self) -> str:
        """Which engine it is."""
        health = await self.engine.check()
        if not health.healthy:
            raise HealthError(f"{health.detail} Requests wait until it answers; none is lost.")
        return f"{health.name} {health.version}: {health.detail}"


@dataclass(frozen=True, slots=True)
class ConfiguredEngineCheck:
    """The engine that the settings name, opened for this look only."""

    settings: ResponseSettings
    name: str = "search_engine"
    needed: bool = False

    async def __call__(self) -> str:
        """Which engine it is."""
        engine = make_engine(self.settings)
        try:
            return await EngineCheck(engine)()
        finally:
            await engine.close()


@dataclass(frozen=True, slots=True)
class AdminCheck:
    """There is an admin, so that users can be made."""

    database: Database
    name: str = "admin"
    needed: bool = False

    async def __call__(self) -> str:
        """That there is one."""
        async with self.database.transaction() as transaction:
            if await PostgresUsers().find_admin(transaction.connection) is not None:
                return "there is one"
        raise HealthError("There is no admin yet. Run `airlock-response create-admin`.")
