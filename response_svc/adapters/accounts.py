"""Sign-in's view of the users table, which on this network also keeps the time of the last sign-in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import update

from common.auth.accounts import Account
from response_svc.adapters.tables import users
from response_svc.adapters.users import PostgresUsers

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from response_svc.domain.user import User


class MasterAccounts:
    """The account directory over the master's own users."""

    keeps_passwords = True

    def __init__(self) -> None:
        self._users = PostgresUsers()

    async def find_by_username(self, connection: AsyncConnection, username: str) -> Account | None:
        """The account of that name without regard to case, active or not."""
        user = await self._users.find_by_username(connection, username)
        return account_of(user) if user is not None else None

    async def find_by_id(self, connection: AsyncConnection, user_id: UUID) -> Account | None:
        """The account with that id, active or not."""
        user = await self._users.find(connection, user_id)
        return account_of(user) if user is not None else None

    async def hold(self, connection: AsyncConnection, user_id: UUID) -> Account | None:
        """The account with that id, which nobody else can change until the transaction ends."""
        user = await self._users.find(connection, user_id, lock=True)
        return account_of(user) if user is not None else None

    async def keep_rehash(self, connection: AsyncConnection, user_id: UUID, password_hash: str) -> None:
        """Keeps the same password's new hash, under a revision, since the other network checks passwords by it too."""
        revision = await self._users.next_revision(connection)
        values = {"hashed_password": password_hash, "revision": revision}
        await connection.execute(update(users).where(users.c.id == user_id).values(values))

    async def record_login(self, connection: AsyncConnection, user_id: UUID, at: datetime) -> None:
        """Keeps the time of the sign-in. It is no change that the other network hears of, so no revision is taken."""
        await connection.execute(update(users).where(users.c.id == user_id).values(last_login=at))


def account_of(user: User) -> Account:
    """The user as sign-in sees him."""
    return Account(
        user_id=user.id,
        username=user.username,
        full_name=user.full_name,
        role=user.role.value,
        profile_type=user.profile_type,
        limits=user.limits,
        is_active=user.is_active,
        password_hash=user.hashed_password,
    )
