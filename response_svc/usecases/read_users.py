"""Reading users: one by id, or a page of them in order of their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.errors import NotFoundError
from response_svc.usecases.change_users import RESOURCE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from response_svc.domain.user import User
    from response_svc.usecases.change_users import UserContext


async def get_user(context: UserContext, user_id: UUID) -> User:
    """One user. Raises NotFoundError."""
    async with context.database.transaction() as transaction:
        user = await context.users.find(transaction.connection, user_id)
    if user is None:
        raise NotFoundError("There is no user with that id; `GET /api/v1/admin/users` lists all.", metadata=RESOURCE)
    return user


async def list_users(
    context: UserContext, *, prefix: str, is_active: bool | None, after: str | None, limit: int
) -> tuple[Sequence[User], bool]:
    """Up to `limit` users in order of their names without regard to case, and whether there are more.

    They are those after the name `after`, whose names begin with `prefix`.
    """
    async with context.database.transaction() as transaction:
        users = await context.users.list_by_name(
            transaction.connection, prefix=prefix, is_active=is_active, after=after, limit=limit + 1
        )
    return users[:limit], len(users) > limit
