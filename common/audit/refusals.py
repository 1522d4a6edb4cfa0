"""Writes refused calls to the audit trail beside the calls: in groups, within bounds, and never at their expense."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog
from sqlalchemy import insert

from common import metrics
from common.audit.record import AuditEntry, audit_row, own_entry
from common.audit.tables import REFUSED, audit_logs
from common.cancellation import cancel_and_wait

if TYPE_CHECKING:
    from uuid import UUID

    from common.database.transaction import Database

log = structlog.get_logger("common.audit")

FLUSH_SECONDS: Final = 1.0
MOST_ROWS: Final = 200
"""Rows in one statement; that many are written without waiting for the second to end."""
MOST_WAITING: Final = 1000
"""Different refusals that wait, when the database is slow or away. Beyond that they are only counted."""
CLOSE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One refused call."""

    method: str
    reason: str
    status: int
    user_id: UUID | None = None
    address: str | None = None
    user_agent: str | None = None
    request_id: str = ""


@dataclass(slots=True)
class _Waiting:
    """The first of several that are alike, and how many those are."""

    first: Refusal
    count: int = 1


class RefusalWriter:
    """One a process, in whose event loop it lives. Until `start`, and after `close`, what is noted is only kept."""

    def __init__(self, database: Database, *, flush_seconds: float = FLUSH_SECONDS) -> None:
        self._database = database
        self._flush_seconds = flush_seconds
        self._waiting: dict[tuple[UUID | None, str, str, str | None], _Waiting] = {}
        self._not_kept = 0
        self._many = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    def note(self, refusal: Refusal) -> None:
        """Keeps it for the next flush; alike are those of one user, method, reason and address."""
        key = (refusal.user_id, refusal.method, refusal.reason, refusal.address)
        waiting = self._waiting.get(key)
        if waiting is not None:
            waiting.count += 1
        elif len(self._waiting) < MOST_WAITING:
            self._waiting[key] = _Waiting(refusal)
            if len(self._waiting) >= MOST_ROWS:
                self._many.set()
        else:
            self._not_kept += 1
            metrics.AUDIT_REFUSALS_NOT_KEPT.inc()

    def start(self) -> None:
        """Begins to write."""
        self._task = asyncio.create_task(self._run(), name="refusal-writer")

    async def close(self) -> None:
        """Writes what waits, if the database takes it within a moment."""
        self._stopping = True
        self._many.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=CLOSE_SECONDS)
            await cancel_and_wait(self._task)
            self._task = None
        if self._waiting or self._not_kept:
            lost = self._not_kept + sum(waiting.count for waiting in self._waiting.values())
            log.error("refusals_not_audited", refusals=lost, cause="the database did not take them before the end")

    async def _run(self) -> None:
        while not self._stopping:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._flush_seconds):
                    await self._many.wait()
            self._many.clear()
            if not await self._flush_all() and not self._stopping:
                await asyncio.sleep(self._flush_seconds)
        await self._flush_all()

    async def _flush_all(self) -> bool:
        """Writes what waits, a statement at a time; False when the database does not take it now."""
        while self._waiting or self._not_kept:
            keys = list(self._waiting)[:MOST_ROWS]
            # Whatever comes in meanwhile is another row of the next flush.
            group = {key: self._waiting.pop(key) for key in keys}
            not_kept, self._not_kept = self._not_kept, 0
            try:
                await self._write(list(group.values()), not_kept)
            except asyncio.CancelledError:
                self._take_back(group, not_kept)
                raise
            except Exception as error:  # noqa: BLE001 - whatever it was, the next flush tries again.
                self._take_back(group, not_kept)
                log.warning("refusals_not_written", rows=len(group), error=type(error).__name__)
                return False
        return True

    def _take_back(self, group: dict[Any, _Waiting], not_kept: int) -> None:
        self._not_kept += not_kept
        for key, before in group.items():
            if key in self._waiting:
                self._waiting[key].count += before.count
            elif len(self._waiting) < MOST_WAITING:
                self._waiting[key] = before
            else:
                self._not_kept += before.count
                metrics.AUDIT_REFUSALS_NOT_KEPT.inc(before.count)

    async def _write(self, group: list[_Waiting], not_kept: int) -> None:
        rows = [audit_row(_entry(waiting)) for waiting in group]
        if not_kept:
            rows.append(audit_row(_not_kept_entry(not_kept)))
        async with self._database.transaction() as transaction:
            await transaction.connection.execute(insert(audit_logs), rows)


def _entry(waiting: _Waiting) -> AuditEntry:
    first = waiting.first
    return AuditEntry(
        "call.refused",
        user_id=first.user_id,
        resource_type="method",
        resource_id=first.method,
        address=first.address,
        user_agent=first.user_agent,
        response_status=first.status,
        metadata={"reason": first.reason, "count": waiting.count, "request_id": first.request_id},
        outcome=REFUSED,
    )


def _not_kept_entry(count: int) -> AuditEntry:
    return own_entry(
        "audit.refusals_not_kept",
        resource_type="process",
        resource_id="refusals",
        metadata={"count": count},
        outcome=REFUSED,
    )
