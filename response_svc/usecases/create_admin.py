"""Making the one admin of both networks, which works once, and letting him in again who has forgotten his password."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from common.audit.record import record
from common.auth.attempts import forget_name
from common.errors import AlreadyExistsError, NotFoundError
from common.rpc.caller import current_caller
from response_svc.domain.user import ADMIN_PROFILE, NewUser, Role
from response_svc.usecases.change_users import create_user, entry, locked, out_of_all_sessions, written

if TYPE_CHECKING:
    from response_svc.domain.user import User
    from response_svc.usecases.change_users import UserContext

LEAST_PASSWORD_LENGTH = 10


async def create_admin(context: UserContext, *, username: str, email: str, password: str) -> User:
    """Makes the admin. Raises AlreadyExistsError when there is one, also when two are made at the same moment."""
    async with context.database.transaction() as transaction:
        if await context.users.find_admin(transaction.connection) is not None:
            raise AlreadyExistsError(
                "There is an admin already, and there can only be one. Sign in as that user, or set his password with"
                " `airlock-response reset-admin-password`.",
                metadata={"resource": "admin"},
            )
    new = NewUser(
        username=username,
        email=email,
        password=password,
        full_name="Administrator",
        role=Role.ADMIN,
        profile_type=ADMIN_PROFILE,
    )
    return await create_user(context, new, caller=current_caller())


async def reset_admin_password(context: UserContext, *, password: str) -> User:
    """Sets the admin's password, ends his sessions and forgets failed attempts of his name. Raises NotFoundError."""
    hashed_password = await context.hasher.hash(password)
    async with context.database.transaction() as transaction:
        connection = transaction.connection
        found = await context.users.find_admin(connection)
        if found is None:
            raise NotFoundError(
                "There is no admin yet; make one with `airlock-response create-admin`.", metadata={"resource": "admin"}
            )
        admin = replace(await locked(context, connection, found.id), hashed_password=hashed_password)
        admin = await out_of_all_sessions(context, connection, admin, reason="password reset on the host")
        admin = await written(context, connection, admin)
        await forget_name(connection, admin.username)
        transaction.after_commit(context.wake_export)
        await record(connection, entry("user.password_reset_on_host", admin, current_caller()))
    return admin
