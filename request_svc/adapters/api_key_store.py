"""API keys in PostgreSQL, by the SHA-256 of their texts."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Row, and_, delete, func, or_, select, text, tuple_, update

from request_svc.adapters.tables import api_keys
from request_svc.domain.api_key import ApiKey

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from request_svc.ports import ApiKeyFilter

CHANNEL: Final = "airlock_api_keys"
"""The NOTIFY channel that tells every process to look at what has changed."""

_COLUMNS: Final = api_keys.c
_HIDDEN: Final = {"key_hash", "is_active", "changed_at", "metadata"}
SHOWN: Final = tuple(column for column in _COLUMNS if column.name not in _HIDDEN)
"""The columns of which an `ApiKey` is made."""

_HOLD_USER: Final = text("SELECT pg_advisory_xact_lock(hashtextextended('api_keys:' || :user_id, 0))")
_CHAIN: Final = text(
    """
    WITH RECURSIVE chain AS (
        SELECT id FROM api_keys WHERE id = :key_id
        UNION SELECT successor.id FROM api_keys AS successor JOIN chain ON successor.rotated_from = chain.id
    )
    SELECT id FROM chain
    """
)


class SqlApiKeyStore:
    """`ApiKeyStore` on PostgreSQL."""

    async def hold_user(self, connection: AsyncConnection, user_id: UUID) -> None:
        """See the port. An advisory lock: the row in `users` is not this service's to lock."""
        await connection.execute(_HOLD_USER, {"user_id": str(user_id)})

    async def count_living(self, connection: AsyncConnection, user_id: UUID, now: datetime) -> int:
        """See the port."""
        living = and_(_COLUMNS.user_id == user_id, _is_good(now), _COLUMNS.rotated_to.is_(None))
        return await connection.scalar(select(func.count()).where(living)) or 0

    async def add(self, connection: AsyncConnection, key: ApiKey, key_hash: bytes) -> None:
        """See the port."""
        values = asdict(key)
        values["id"] = values.pop("key_id")
        await connection.execute(api_keys.insert().values(key_hash=key_hash, **values))
        await _announce(connection)

    async def find(self, connection: AsyncConnection, key_id: UUID) -> ApiKey | None:
        """See the port."""
        row = (await connection.execute(select(*SHOWN).where(_COLUMNS.id == key_id))).one_or_none()
        return None if row is None else api_key_of(row)

    async def page(
        self, connection: AsyncConnection, wanted: ApiKeyFilter, before: tuple[datetime, UUID] | None, limit: int
    ) -> list[ApiKey]:
        """See the port."""
        place = tuple_(_COLUMNS.created_at, _COLUMNS.id)
        statement = select(*SHOWN).where(_COLUMNS.user_id == wanted.user_id).limit(limit)
        statement = statement.order_by(_COLUMNS.created_at.desc(), _COLUMNS.id.desc())
        if not wanted.include_ended:
            statement = statement.where(_is_good(wanted.now))
        if wanted.key_id is not None:
            statement = statement.where(_COLUMNS.id == wanted.key_id)
        if before is not None:
            statement = statement.where(place < tuple_(*before))
        return [api_key_of(row) for row in await connection.execute(statement)]

    async def rotate(
        self, connection: AsyncConnection, key_id: UUID, successor: UUID, overlap_ends_at: datetime
    ) -> None:
        """See the port."""
        await connection.execute(
            update(api_keys)
            .where(_COLUMNS.id == key_id)
            .values(rotated_to=successor, overlap_ends_at=overlap_ends_at, changed_at=func.clock_timestamp())
        )
        await _announce(connection)

    async def revoke(
        self, connection: AsyncConnection, key_id: UUID, *, at: datetime, by: UUID, with_successors: bool
    ) -> list[UUID]:
        """See the port. The user is held, so that nothing is rotated meanwhile."""
        ids = [key_id]
        if with_successors:
            ids = list((await connection.execute(_CHAIN, {"key_id": key_id})).scalars())
        ended = await connection.execute(
            update(api_keys)
            .where(_COLUMNS.id.in_(ids), _COLUMNS.revoked_at.is_(None))
            .values(revoked_at=at, revoked_by=by, is_active=False, changed_at=func.clock_timestamp())
            .returning(_COLUMNS.id)
        )
        revoked = list(ended.scalars())
        if revoked:
            await _announce(connection)
        return revoked

    async def mark_ended(self, connection: AsyncConnection, now: datetime) -> int:
        """See the port."""
        ended = and_(_COLUMNS.is_active, ~_is_good(now))
        return (await connection.execute(update(api_keys).where(ended).values(is_active=False))).rowcount

    async def forget(self, connection: AsyncConnection, ended_before: datetime) -> int:
        """See the port. Of a revoked key its revocation is the end."""
        ends_at = func.least(_COLUMNS.expires_at, _COLUMNS.overlap_ends_at, _COLUMNS.revoked_at)
        return (await connection.execute(delete(api_keys).where(ends_at < ended_before))).rowcount


def api_key_of(row: Row[*tuple[Any, ...]]) -> ApiKey:
    """The key that a row of `SHOWN` columns tells of."""
    values = {column.name: getattr(row, column.name) for column in SHOWN}
    values["key_id"] = values.pop("id")
    values["scopes"] = tuple(row.scopes)
    values["last_used_address"] = str(row.last_used_address) if row.last_used_address is not None else None
    return ApiKey(**values)


def _is_good(now: datetime) -> ColumnElement[bool]:
    return and_(
        _COLUMNS.revoked_at.is_(None),
        _COLUMNS.expires_at > now,
        or_(_COLUMNS.overlap_ends_at.is_(None), _COLUMNS.overlap_ends_at > now),
    )


async def _announce(connection: AsyncConnection) -> None:
    await connection.execute(select(func.pg_notify(CHANNEL, "")))
