"""Reading users: one by id, or a page of them in order of their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from common.database.transaction import Database
    from response_svc.domain.user import User
    from response_svc.ports import UserStore


async def get_user(database: Database, users: UserStore, user_id: UUID) -> User:
    """One user. Raises NotFoundError."""
    async with database.transaction() as transaction:
        user = await users.find(transaction.connection, user_id)
    if user is None:
        raise NotFoundError(
            "There is no user with that id; `GET /api/v1/admin/users` lists all.", metadata={"resource": "user"}
        )
    return user


async def list_users(
    database: Database, users: UserStore, *, prefix: str, is_active: bool | None, after: str | None, limit: int
) -> Sequence[User]:
    """Up to `limit` users in order of their names without regard to case, those after the name `after`."""
    async with database.transaction() as transaction:
        return await users.list_by_name(
            transaction.connection, prefix=prefix, is_active=is_active, after=after, limit=limit
        )
