"""Making the one admin of both networks, which works once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.errors import AlreadyExistsError
from common.rpc.caller import current_caller
from response_svc.domain.user import NewUser, Role
from response_svc.usecases.change_users import create_user

if TYPE_CHECKING:
    from response_svc.domain.user import User
    from response_svc.usecases.change_users import UserContext

LEAST_PASSWORD_LENGTH = 10
ADMIN_PRIORITY = 10
ADMIN_RATE_PER_MINUTE = 1000
ADMIN_RATE_PER_HOUR = 10_000
ADMIN_RATE_PER_DAY = 100_000


async def create_admin(context: UserContext, *, username: str, email: str, password: str) -> User:
    """Makes the admin. Raises AlreadyExistsError when there is one, also when two are made at the same moment."""
    async with context.database.transaction() as transaction:
        if await context.users.admin_exists(transaction.connection):
            raise AlreadyExistsError(
                "There is an admin already, and there can only be one. Sign in as that user, or let him set passwords.",
                metadata={"resource": "admin"},
            )
    new = NewUser(
        username=username,
        email=email,
        password=password,
        full_name="Administrator",
        role=Role.ADMIN,
        profile_type="admin",
        rate_limit_per_minute=ADMIN_RATE_PER_MINUTE,
        rate_limit_per_hour=ADMIN_RATE_PER_HOUR,
        rate_limit_per_day=ADMIN_RATE_PER_DAY,
        priority=ADMIN_PRIORITY,
    )
    return await create_user(context, new, caller=current_caller())
