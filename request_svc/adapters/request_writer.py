"""Stores new requests in groups: whatever arrives during one commit goes together with the next.

A commit waits for the disk; many requests share that wait without a timer, so a lone request is not delayed. Requests
and their audit rows go in one statement. A group that fails is tried again part by part: one bad row harms only those
that were handed over together with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson
import psycopg
import structlog
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from common.audit.record import AuditEntry, audit_row
from common.database.grouping import Grouping
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


@dataclass(frozen=True, slots=True)
class _Part:
    """Rows that are stored in the same commit or not at all, and who has a word in it."""

    rows: Sequence[NewRow]
    settle: Settle | None = None


class GroupedRequestWriter:
    """`RequestWriter`: one a process, in whose event loop it lives."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._direct = database.direct()
        self._waiting_bytes = 0
        self._groups: Grouping[_Part, set[UUID]] = Grouping(
            self._stored, most_parts=MAX_GROUP_ROWS, most_size=MAX_GROUP_BYTES
        )

    async def write(self, request: NewRequest, audit: AuditEntry) -> bool:
        """See the port. A caller who leaves while waiting takes his request along, unless its commit has begun."""
        return request.request_id in await self._store(_Part([(request, audit)]))

    async def write_together(self, rows: Sequence[NewRow], settle: Settle) -> None:
        """See the port. They are one part of a group, which may be somewhat longer for them."""
        await self._store(_Part(rows, settle))

    async def close(self) -> None:
        """Waits until everything that was handed over is stored."""
        await self._groups.close()

    async def _store(self, part: _Part) -> set[UUID]:
        """The ids of those rows that were new."""
        size = sum(len(request.body) + len(request.search) for request, _ in part.rows)
        if self._waiting_bytes + size > MAX_WAITING_BYTES:
            raise UnavailableError(
                "Too many requests wait to be stored; try again.",
                metadata={"part": "postgresql"},
                retry_after_seconds=1,
            )
        self._waiting_bytes += size
        try:
            return await self._groups.do(part, size=size, parts=len(part.rows))
        finally:
            self._waiting_bytes -= size

    async def _stored(self, group: Sequence[_Part]) -> Sequence[set[UUID] | Exception]:
        try:
            inserted = await self._insert(group)
        except (OperationalError, psycopg.OperationalError, PoolTimeoutError, OSError) as error:
            # The driver's own text; SQLAlchemy's would repeat the rows.
            cause = getattr(error, "orig", None) or error
            log.warning("requests_not_stored", rows=_count(group), error=type(error).__name__, cause=str(cause)[:500])
            away = UnavailableError("The database does not answer; try again.", metadata={"part": "postgresql"})
            return [away] * len(group)
        except (DBAPIError, psycopg.Error, AirlockError) as error:
            cause = error.orig if isinstance(error, DBAPIError) and isinstance(error.orig, Exception) else error
            if len(group) == 1:
                return [cause]
            log.warning("request_group_failed", rows=_count(group), error=type(cause).__name__)
            return [outcome for part in group for outcome in await self._stored([part])]
        return [inserted] * len(group)

    async def _insert(self, group: Sequence[_Part]) -> set[UUID]:
        """The ids of those that were new, in one statement; in a transaction where somebody has a word in it."""
        if all(part.settle is None for part in group):
            return {row[0] for row in await self._direct.fetch(_INSERT, _columns(group))}
        async with self._database.transaction() as transaction:
            rows = await transaction.connection.exec_driver_sql(_INSERT, _columns(group))
            inserted = set(rows.scalars())
            for part in group:
                if part.settle is not None:
                    known = [request for request, _ in part.rows if request.request_id not in inserted]
                    await part.settle(transaction.connection, known)
            return inserted


def _count(group: Sequence[_Part]) -> int:
    return sum(len(part.rows) for part in group)


def _columns(group: Sequence[_Part]) -> dict[str, list[Any]]:
    rows = [request for part in group for request, _ in part.rows]
    audits = [audit_row(audit) for part in group for _, audit in part.rows]
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
