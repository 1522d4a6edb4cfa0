"""Last uses of API keys: noted in memory at each call, and written together now and then, so that no call waits."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

import structlog
from sqlalchemy import text

from common.cancellation import cancel_and_wait

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from common.database.transaction import Database

log = structlog.get_logger("request_svc.api_keys")

WRITE_SECONDS: Final = 30.0

# Rows are locked in one order, so that processes that write at once wait for each other and never in a circle.
_WRITE: Final = text(
    """
    WITH input AS (
        SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:times AS timestamptz[]), CAST(:addresses AS text[]))
            AS input (id, used_at, address)
    ), held AS (
        SELECT api_keys.id, input.used_at, input.address FROM api_keys JOIN input USING (id)
        ORDER BY api_keys.id FOR NO KEY UPDATE OF api_keys
    )
    UPDATE api_keys SET last_used_at = held.used_at, last_used_address = CAST(held.address AS inet)
    FROM held WHERE api_keys.id = held.id AND (last_used_at IS NULL OR last_used_at < held.used_at)
    """
)


class ApiKeyUses:
    """One process's uses since the last writing."""

    def __init__(self, database: Database, *, write_seconds: float = WRITE_SECONDS) -> None:
        self._database = database
        self._write_seconds = write_seconds
        self._noted: dict[UUID, tuple[datetime, str | None]] = {}
        self._writing: asyncio.Task[None] | None = None

    def note(self, key_id: UUID, at: datetime, address: str | None) -> None:
        """Remembers the newest use of a key."""
        self._noted[key_id] = (at, address)

    def start(self) -> None:
        """Begins to write now and then."""
        self._writing = asyncio.create_task(self._write_on(), name="api-key-uses")

    async def close(self) -> None:
        """Writes what is left, and ends."""
        if self._writing is not None:
            await cancel_and_wait(self._writing)
            self._writing = None
        await self._try_to_write()

    async def write(self) -> None:
        """Writes what was noted, in one statement. What cannot be written is kept for the next time."""
        noted, self._noted = self._noted, {}
        if not noted:
            return
        values = {
            "ids": list(noted),
            "times": [at for at, _ in noted.values()],
            "addresses": [_storable(address) for _, address in noted.values()],
        }
        try:
            async with self._database.transaction() as transaction:
                await transaction.connection.execute(_WRITE, values)
        except BaseException:
            self._noted = noted | self._noted
            raise

    async def _write_on(self) -> None:
        while True:
            await asyncio.sleep(self._write_seconds)
            await self._try_to_write()

    async def _try_to_write(self) -> None:
        try:
            await self.write()
        except Exception as error:  # noqa: BLE001 - whatever it was, the next time tries again.
            log.warning("uses_not_written", keys=len(self._noted), error=type(error).__name__)


def _storable(address: str | None) -> str | None:
    """The address as PostgreSQL takes it, which knows no zones. One that is none must not cost all the others."""
    try:
        return str(ip_address((address or "").partition("%")[0]))
    except ValueError:
        return None
