"""The replica of users, read only, for administrators' lists and for sign-in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Row, func, select

from common.auth.accounts import Account
from common.database.exclusive import wait_for_lock
from common.policy.limits import RateLimits, UserLimits
from request_svc.adapters.tables import replica_states, users
from request_svc.domain.user import ReplicatedUser

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from request_svc.ports import UserFilter

USERS_CHANGE: Final = "users_change"
"""The lock that an import of users holds alone while it ends sessions, and that those who open one share."""
USERS_KIND: Final = "users"
_SHOWN: Final = tuple(
    column
    for column in users.c
    if column.name not in {"hashed_password", "import_batch_id", "missing_since", "row_digest"}
)


class SqlUserStore:
    """`UserStore` on PostgreSQL."""

    async def find(self, connection: AsyncConnection, user_id: UUID) -> ReplicatedUser | None:
        """See the port."""
        row = (await connection.execute(select(*_SHOWN).where(users.c.id == user_id))).one_or_none()
        return None if row is None else _user(row)

    async def page(
        self, connection: AsyncConnection, wanted: UserFilter, after: str | None, limit: int
    ) -> list[ReplicatedUser]:
        """See the port."""
        statement = select(*_SHOWN).order_by(users.c.username).limit(limit)
        if wanted.username_prefix:
            statement = statement.where(users.c.username.startswith(wanted.username_prefix, autoescape=True))
        if wanted.is_active is not None:
            statement = statement.where(users.c.is_active == wanted.is_active)
        if after is not None:
            statement = statement.where(users.c.username > after)
        return [_user(row) for row in await connection.execute(statement)]


class ReplicaAccounts:
    """`AccountDirectory` on the replica."""

    keeps_passwords = False

    async def find_by_username(self, connection: AsyncConnection, username: str) -> Account | None:
        """The account of that name without regard to case; the active one where the replica holds two."""
        statement = (
            select(users)
            .where(func.lower(users.c.username) == func.lower(username))
            .order_by(users.c.is_active.desc(), users.c.revision.desc())
            .limit(1)
        )
        row = (await connection.execute(statement)).one_or_none()
        return None if row is None else _account(row)

    async def find_by_id(self, connection: AsyncConnection, user_id: UUID) -> Account | None:
        """The account with that id, active or not."""
        row = (await connection.execute(select(users).where(users.c.id == user_id))).one_or_none()
        return None if row is None else _account(row)

    async def hold(self, connection: AsyncConnection, user_id: UUID) -> Account | None:
        """The account with that id; an import that changes users waits for the end of the transaction to commit.

        Not by the row's own lock: that needs the right to change the row, which the services do not have here.
        """
        await wait_for_lock(connection, USERS_CHANGE, shared=True)
        return await self.find_by_id(connection, user_id)

    async def record_login(self, connection: AsyncConnection, user_id: UUID, at: datetime) -> None:
        """Keeps nothing: the replica belongs to the Response Network, and the audit trail tells of the sign-in."""

    async def keep_rehash(self, connection: AsyncConnection, user_id: UUID, password_hash: str) -> None:
        """Keeps nothing: hashes come with the users bundle."""


async def users_sealed_at(connection: AsyncConnection) -> datetime | None:
    """When the last applied bundle of users was sealed, by the other network's clock; None before the first."""
    sealed_at: datetime | None = await connection.scalar(
        select(replica_states.c.sealed_at).where(replica_states.c.kind == USERS_KIND)
    )
    return sealed_at


def limits_of(row: Row[*tuple[Any, ...]]) -> UserLimits:
    """The limits in a row of `users`."""
    return UserLimits(
        RateLimits(row.rate_limit_per_minute, row.rate_limit_per_hour, row.rate_limit_per_day),
        row.priority,
        frozenset(row.inherits),
    )


def _account(row: Row[*tuple[Any, ...]]) -> Account:
    return Account(
        user_id=row.id,
        username=row.username,
        full_name=row.full_name,
        role=row.role,
        profile_type=row.profile_type,
        limits=limits_of(row),
        is_active=row.is_active,
        password_hash=row.hashed_password,
    )


def _user(row: Row[*tuple[Any, ...]]) -> ReplicatedUser:
    return ReplicatedUser(
        user_id=row.id,
        username=row.username,
        email=row.email,
        full_name=row.full_name,
        role=row.role,
        profile_type=row.profile_type,
        rate_limit_per_minute=row.rate_limit_per_minute,
        rate_limit_per_hour=row.rate_limit_per_hour,
        rate_limit_per_day=row.rate_limit_per_day,
        priority=row.priority,
        is_active=row.is_active,
        inherits=tuple(row.inherits),
        revision=row.revision,
        synced_at=row.synced_at,
    )
