"""Shows administrators the users as the Response Network last sent them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.errors import NotFoundError

if TYPE_CHECKING:
    from uuid import UUID

    from common.database.transaction import Database
    from request_svc.domain.user import ReplicatedUser
    from request_svc.ports import UserFilter, UserStore


async def list_users(
    wanted: UserFilter, *, after: str | None, limit: int, database: Database, users: UserStore
) -> tuple[list[ReplicatedUser], bool]:
    """At most `limit` users by name behind the name `after`, and whether more follow."""
    async with database.transaction() as transaction:
        rows = await users.page(transaction.connection, wanted, after, limit + 1)
    return rows[:limit], len(rows) > limit


async def get_user(user_id: UUID, *, database: Database, users: UserStore) -> ReplicatedUser:
    """One user, active or not; NotFoundError if the replica has none with that id."""
    async with database.transaction() as transaction:
        user = await users.find(transaction.connection, user_id)
    if user is None:
        raise NotFoundError(
            f"There is no user {user_id} here; users are made on the Response Network and come with its users bundle.",
            metadata={"resource": "user"},
        )
    return user
