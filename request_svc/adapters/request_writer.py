"""Stores new requests in groups: whatever arrives during one commit goes together with the next.

A commit waits for the disk; many requests share that wait without a timer, so a lone request is not delayed. Requests
and their audit rows go in one statement. A group that fails is tried again part by part: one bad row harms only those
that were handed over together with it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import orjson
import psycopg
import structlog
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from common.audit.record import AuditEntry, audit_row
from common.errors import AirlockError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from common.database.transaction import Database
    from request_svc.domain.request import NewRequest
    from request_svc.ports import NewRow, Settle

log = structlog.get_logger("request_svc.request_writer")

MAX_GROUP_ROWS: Final = 200
MAX_GROUP_BYTES: Final = 16 * 1024 * 1024
MAX_WAITING_BYTES: Final = 128 * 1024 * 1024
"""Beyond this the caller is told to come back: the database is slower than the callers, and memory has an end."""

_REQUEST = {
    "id": "uuid",
    "user_id": "uuid",
    "index_name": "text",
    "query_type": "text",
    "query_params": "text",
    "body": "bytea",
    "search": "bytea",
    "priority": "int4",
    "created_at": "timestamptz",
    "not_after": "timestamptz",
    "accept_partial": "bool",
    "idempotency_key": "text",
    "trace_id": "text",
}
_AUDIT = {
    "action": "text",
    "resource_type": "text",
    "resource_id": "text",
    "ip_address": "text",
    "user_agent": "text",
    "audit_metadata": "text",
}
_ARRAYS = ", ".join(f"%({name})b::{kind}[]" for name, kind in {**_REQUEST, **_AUDIT}.items())
# In one order everywhere: two processes whose groups share keys would else wait for each other for ever.
_INSERT: Final = f"""
WITH input AS (SELECT * FROM unnest({_ARRAYS}) AS input ({", ".join({**_REQUEST, **_AUDIT})})),
inserted AS (
    INSERT INTO requests ({", ".join(_REQUEST)})
    SELECT {", ".join(f"{name}::jsonb" if name == "query_params" else name for name in _REQUEST)} FROM input
    ORDER BY user_id, idempotency_key
    ON CONFLICT (user_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
    RETURNING id
),
audited AS (
    INSERT INTO audit_logs (user_id, action, resource_type, resource_id, ip_address, user_agent, metadata, created_at)
    SELECT user_id, action, resource_type, resource_id, ip_address::inet, user_agent, audit_metadata::jsonb, created_at
    FROM input JOIN inserted USING (id)
)
SELECT id FROM inserted
"""  # noqa: S608 - the names are the constants above; every value is a parameter.


class _Waiting:
    """Requests that wait for their commit, all of them for the same one."""

    __slots__ = ("done", "rows", "settle", "size")

    def __init__(self, rows: Sequence[NewRow], settle: Settle | None = None) -> None:
        self.rows = rows
        self.settle = settle
        self.size = sum(len(request.body) + len(request.search) for request, _ in rows)
        self.done: asyncio.Future[set[UUID]] = asyncio.get_running_loop().create_future()


class GroupedRequestWriter:
    """`RequestWriter`: one a process, in whose event loop it lives."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._direct = database.direct()
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._running: asyncio.Task[None] | None = None

    async def write(self, request: NewRequest, audit: AuditEntry) -> bool:
        """See the port. A caller who leaves while waiting takes his request along, unless its commit has begun."""
        return request.request_id in await self._stored(_Waiting([(request, audit)]))

    async def write_together(self, rows: Sequence[NewRow], settle: Settle) -> None:
        """See the port. They count as one part of a group, which may be somewhat longer for them."""
        await self._stored(_Waiting(rows, settle))

    async def _stored(self, waiting: _Waiting) -> set[UUID]:
        """The ids of those rows that were new."""
        if self._waiting_bytes + waiting.size > MAX_WAITING_BYTES:
            raise UnavailableError(
                "Too many requests wait to be stored; try again.",
                metadata={"part": "postgresql"},
                retry_after_seconds=1,
            )
        self._waiting.append(waiting)
        self._waiting_bytes += waiting.size
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._drain(), name="request-writer")
        return await waiting.done

    async def close(self) -> None:
        """Waits until everything that was handed over is stored."""
        if self._running is not None:
            await self._running

    async def _drain(self) -> None:
        while self._waiting:
            group = self._next_group()
            if group:
                await self._commit(group)

    def _next_group(self) -> list[_Waiting]:
        group: list[_Waiting] = []
        rows = size = 0
        while self._waiting and rows < MAX_GROUP_ROWS and size < MAX_GROUP_BYTES:
            waiting = self._waiting.popleft()
            self._waiting_bytes -= waiting.size
            if not waiting.done.cancelled():
                group.append(waiting)
                rows += len(waiting.rows)
                size += waiting.size
        return group

    async def _commit(self, group: list[_Waiting]) -> None:
        try:
            inserted = await self._insert(group)
        except (OperationalError, psycopg.OperationalError, PoolTimeoutError, OSError) as error:
            # The driver's own text; SQLAlchemy's would repeat the rows.
            cause = getattr(error, "orig", None) or error
            log.warning("requests_not_stored", rows=_count(group), error=type(error).__name__, cause=str(cause)[:500])
            _fail(group, UnavailableError("The database does not answer; try again.", metadata={"part": "postgresql"}))
        except (DBAPIError, psycopg.Error, AirlockError) as error:
            await self._commit_each(group, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, no caller may be left waiting.
            _fail(group, error)
        else:
            for waiting in group:
                if not waiting.done.done():
                    waiting.done.set_result(inserted)

    async def _commit_each(self, group: list[_Waiting], error: DBAPIError | psycopg.Error | AirlockError) -> None:
        cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
        if len(group) == 1:
            _fail(group, cause)
            return
        log.warning("request_group_failed", rows=_count(group), error=type(cause).__name__)
        for waiting in group:
            await self._commit([waiting])

    async def _insert(self, group: list[_Waiting]) -> set[UUID]:
        """The ids of those that were new, in one statement; in a transaction where somebody has a word in it."""
        if all(waiting.settle is None for waiting in group):
            return {row[0] for row in await self._direct.fetch(_INSERT, _columns(group))}
        async with self._database.transaction() as transaction:
            rows = await transaction.connection.exec_driver_sql(_INSERT, _columns(group))
            inserted = set(rows.scalars())
            for waiting in group:
                if waiting.settle is not None:
                    known = [request for request, _ in waiting.rows if request.request_id not in inserted]
                    await waiting.settle(transaction.connection, known)
            return inserted


def _fail(group: list[_Waiting], error: BaseException) -> None:
    for waiting in group:
        if not waiting.done.done():
            waiting.done.set_exception(error)


def _count(group: list[_Waiting]) -> int:
    return sum(len(waiting.rows) for waiting in group)


def _columns(group: list[_Waiting]) -> dict[str, list[Any]]:
    rows = [request for waiting in group for request, _ in waiting.rows]
    audits = [audit_row(audit) for waiting in group for _, audit in waiting.rows]
    return {
        "id": [row.request_id for row in rows],
        "user_id": [row.user_id for row in rows],
        "index_name": [row.index for row in rows],
        "query_type": [row.query_type for row in rows],
        "query_params": [orjson.dumps(row.query_params).decode() for row in rows],
        "body": [row.body for row in rows],
        "search": [row.search for row in rows],
        "priority": [row.priority for row in rows],
        "created_at": [row.created_at for row in rows],
        "not_after": [row.not_after for row in rows],
        "accept_partial": [row.accept_partial for row in rows],
        "idempotency_key": [row.idempotency_key for row in rows],
        "trace_id": [row.trace_id for row in rows],
        "action": [audit["action"] for audit in audits],
        "resource_type": [audit["resource_type"] for audit in audits],
        "resource_id": [audit["resource_id"] for audit in audits],
        "ip_address": [audit["ip_address"] for audit in audits],
        "user_agent": [audit["user_agent"] for audit in audits],
        "audit_metadata": [orjson.dumps(audit["metadata"]).decode() for audit in audits],
    }
