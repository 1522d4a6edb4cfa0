"""One process's copy of the policy, so that no call asks the database for it and a change counts within seconds."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import structlog
from sqlalchemy import func, literal, select, union_all

from common.database.watch import Watch
from common.policy.index import index_from
from common.policy.policy import Policy
from common.policy.profile_type import profile_type_from
from common.policy.settings import SETTINGS
from common.policy.tables import indices, profile_types, settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import Table
    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.auth.principal import Principal
    from common.database.notices import Notices
    from common.database.transaction import Database
    from common.policy.limits import EffectiveLimits
    from common.policy.settings import SettingValue

log = structlog.get_logger("common.policy")

CHANNEL: Final = "airlock_policy"
"""The NOTIFY channel that tells every process to look at the policy again."""
_TABLES: Final = (profile_types, settings, indices)

Mark = tuple[tuple[int, "datetime | None"], ...]


class LivePolicy:
    """The policy as it is now. It is read again only when one of its tables has changed."""

    def __init__(self, database: Database, *, poll_seconds: float = 2.0, notices: Notices | None = None) -> None:
        """`notices` are still to be started; None polls only."""
        self._database = database
        self._watch = Watch("policy", self.refresh, channel=CHANNEL, poll_seconds=poll_seconds, notices=notices)
        self._mark: Mark | None = None
        self.current = Policy()

    async def start(self) -> None:
        """Reads the policy once, failing if the database cannot be read, and then keeps it fresh."""
        await self._watch.start()

    async def close(self) -> None:
        """Stops refreshing."""
        await self._watch.close()

    def limits_of(self, principal: Principal) -> EffectiveLimits:
        """How often the caller may ask, and how urgently."""
        return self.current.limits_of(principal.limits, principal.profile_type)

    async def refresh(self) -> None:
        """Reads the tables again if one of them has changed since the last time."""
        async with self._database.engine.connect() as connection:
            mark = await _mark(connection)
            if mark == self._mark:
                return
            policy = await read_policy(connection)
        self.current, self._mark = policy, mark


async def announce_change(connection: AsyncConnection) -> None:
    """Tells every process, once the caller's transaction commits, that the policy is another."""
    await connection.execute(select(func.pg_notify(CHANNEL, "")))


async def read_policy(connection: AsyncConnection) -> Policy:
    """The policy as committed. A setting that this version does not know, or cannot take, is left out and logged."""
    profiles = {row[0]: profile_type_from(*row) for row in await _rows(connection, profile_types)}
    allowed = {row[0]: index_from(*row) for row in await _rows(connection, indices)}
    values: dict[str, SettingValue] = {}
    for key, content in await _rows(connection, settings):
        if key in SETTINGS and SETTINGS[key].accepts(content["value"]):
            values[key] = content["value"]
        else:
            log.warning("setting_not_understood", key=key)
    return Policy(MappingProxyType(values), MappingProxyType(profiles), MappingProxyType(allowed))


async def _rows(connection: AsyncConnection, table: Table) -> list[tuple[str, Mapping[str, Any]]]:
    key = next(iter(table.primary_key))
    statement = select(key, table.c.content).where(~table.c.is_deleted).order_by(key)
    return [(row[0], row[1]) for row in await connection.execute(statement)]


async def _mark(connection: AsyncConnection) -> Mark:
    """Something that differs whenever a table does.

    Every write stamps its rows with the database's clock, and writes of a kind come one after the other: the master's
    by their revisions' counter, the replica's by the stream's lock.
    """
    marks = [
        select(literal(n).label("n"), func.count(), func.max(table.c.changed_at)) for n, table in enumerate(_TABLES)
    ]
    return tuple((row[1], row[2]) for row in await connection.execute(union_all(*marks).order_by("n")))
