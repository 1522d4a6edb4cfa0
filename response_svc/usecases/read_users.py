"""Reading users: one by id, or a page of them in an order of one's choice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.errors import NotFoundError
from response_svc.usecases.change_users import RESOURCE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from response_svc.domain.user import User
    from response_svc.domain.user_list import UserFilter, UserOrder, UserPlace
    from response_svc.usecases.change_users import UserContext


async def get_user(context: UserContext, user_id: UUID) -> User:
    """One user. Raises NotFoundError."""
    async with context.database.transaction() as transaction:
        user = await context.users.find(transaction.connection, user_id)
    if user is None:
        raise NotFoundError("There is no user with that id; `GET /api/v1/admin/users` lists all.", metadata=RESOURCE)
    return user


async def list_users(
    context: UserContext, *, wanted: UserFilter, order: UserOrder, after: UserPlace | None, limit: int
) -> tuple[Sequence[User], bool]:
    """Up to `limit` users behind the place `after` in that order, and whether there are more."""
    async with context.database.transaction() as transaction:
        users = await context.users.page(
            transaction.connection, wanted=wanted, order=order, after=after, limit=limit + 1
        )
    return users[:limit], len(users) > limit
