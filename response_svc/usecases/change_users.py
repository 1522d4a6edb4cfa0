"""Making and changing users on the network that is their master, each change under a revision and audited."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from common.audit.record import caller_entry, record
from common.auth.sessions import end_user_sessions, note_changed_claims
from common.clock import now
from common.errors import FieldViolation, InvalidFieldError, NotFoundError
from response_svc.domain.user import (
    NewUser,
    User,
    UserChanges,
    changed,
    checked,
    claims_changed,
    deactivated,
    reactivated,
    with_limits_of,
    without_sessions,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.audit.record import AuditEntry
    from common.auth.passwords import PasswordHasher
    from common.database.transaction import Database
    from common.policy.limits import EffectiveLimits
    from common.rpc.caller import Caller
    from response_svc.ports import UserStore


async def nobody_is_woken() -> None:
    """Where no export runs."""


@dataclass(frozen=True, slots=True)
class UserContext:
    """What the use cases of users work with."""

    database: Database
    users: UserStore
    hasher: PasswordHasher
    # Run after the commit of a change: the other network is to hear of it.
    wake_export: Callable[[], Awaitable[None]] = field(default=nobody_is_woken)
    clock: Callable[[], datetime] = field(default=now)


async def create_user(context: UserContext, new: NewUser, *, caller: Caller) -> User:
    """Makes a user with a fresh id.

    Raises InvalidFieldError for a name that is not plain or a profile type that is not there, AlreadyExistsError for a
    taken name or address.
    """
    new = checked(new)
    hashed_password = await context.hasher.hash(new.password)
    async with context.database.transaction() as transaction:
        connection = transaction.connection
        profile = await profile_of(context, connection, new.profile_type)
        revision = await context.users.next_revision(connection)
        user = user_from(new, hashed_password, profile, revision=revision, at=context.clock())
        await context.users.insert(connection, user)
        transaction.after_commit(context.wake_export)
        await record(connection, entry("user.created", user, caller, {"role": user.role.value}))
    return user


async def update_user(context: UserContext, user_id: UUID, changes: UserChanges, *, caller: Caller) -> User:
    """Changes what is named and leaves the rest; without a difference nothing is written.

    A new role ends the user's sessions, so that no token keeps the old one; another profile type or limit makes his
    programs refresh. Raises NotFoundError, WrongStateError for the admin's role, InvalidFieldError for a profile type
    that is not there, AlreadyExistsError for a taken address.
    """
    async with context.database.transaction() as transaction:
        connection = transaction.connection
        before = await locked(context, connection, user_id)
        after = changed(before, changes)
        if after is before:
            return before
        if after.profile_type != before.profile_type or after.inherits != before.inherits:
            after = with_limits_of(after, await profile_of(context, connection, after.profile_type))
        if after.role is not before.role:
            after = await out_of_all_sessions(context, connection, after, reason="role changed")
        elif claims_changed(before, after):
            await note_changed_claims(connection, [user_id], at=context.clock())
        after = await written(context, connection, after)
        transaction.after_commit(context.wake_export)
        await record(connection, entry("user.updated", after, caller, changes.set_fields()))
    return after


async def set_password(context: UserContext, user_id: UUID, password: str, *, caller: Caller) -> None:
    """Sets a password and ends the user's sessions on both networks. Raises NotFoundError."""
    hashed_password = await context.hasher.hash(password)
    async with context.database.transaction() as transaction:
        connection = transaction.connection
        user = replace(await locked(context, connection, user_id), hashed_password=hashed_password)
        user = await out_of_all_sessions(context, connection, user, reason="password set")
        user = await written(context, connection, user)
        transaction.after_commit(context.wake_export)
        await record(connection, entry("user.password_set", user, caller))


async def deactivate_user(context: UserContext, user_id: UUID, *, caller: Caller) -> User:
    """Shuts a user out; doing it again changes nothing. Raises NotFoundError, and WrongStateError for the admin."""
    async with context.database.transaction() as transaction:
        connection = transaction.connection
        before = await locked(context, connection, user_id)
        after = deactivated(before)
        if after is before:
            return before
        after = await out_of_all_sessions(context, connection, after, reason="user deactivated")
        after = await written(context, connection, after)
        transaction.after_commit(context.wake_export)
        await record(connection, entry("user.deactivated", after, caller))
    return after


async def reactivate_user(context: UserContext, user_id: UUID, *, caller: Caller) -> User:
    """Lets a user in again; doing it again changes nothing. What ended with his deactivation stays ended."""
    async with context.database.transaction() as transaction:
        connection = transaction.connection
        before = await locked(context, connection, user_id)
        after = reactivated(before)
        if after is before:
            return before
        after = await written(context, connection, after)
        transaction.after_commit(context.wake_export)
        await record(connection, entry("user.reactivated", after, caller))
    return after


async def end_sessions(context: UserContext, user_id: UUID, *, caller: Caller) -> None:
    """Ends all sessions of a user, on the other network with the next bundle. Raises NotFoundError."""
    async with context.database.transaction() as transaction:
        connection = transaction.connection
        user = await locked(context, connection, user_id)
        user = await out_of_all_sessions(context, connection, user, reason="ended by the admin")
        user = await written(context, connection, user)
        transaction.after_commit(context.wake_export)
        await record(connection, entry("user.sessions_ended", user, caller))


def user_from(new: NewUser, hashed_password: str, profile: EffectiveLimits, *, revision: int, at: datetime) -> User:
    """The user that is to be inserted, with an id that both networks will use."""
    user = User(
        id=uuid4(),
        username=new.username,
        email=new.email,
        hashed_password=hashed_password,
        full_name=new.full_name,
        role=new.role,
        profile_type=new.profile_type,
        rate_limit_per_minute=new.rate_limit_per_minute or 0,
        rate_limit_per_hour=new.rate_limit_per_hour or 0,
        rate_limit_per_day=new.rate_limit_per_day or 0,
        priority=new.priority or 0,
        is_active=True,
        revision=revision,
        created_at=at,
        updated_at=at,
        inherits=new.inherits,
    )
    return with_limits_of(user, profile)


async def profile_of(context: UserContext, connection: AsyncConnection, name: str) -> EffectiveLimits:
    """The limits of a profile type, which stays until the transaction ends. Raises InvalidFieldError for none."""
    profile = await context.users.hold_profile(connection, name)
    if profile is None:
        cause = f"“{name}” is no profile type; `GET /api/v1/admin/profile-types` lists those there are"
        raise InvalidFieldError(
            f"The call breaks a rule: profile_type {cause}.", violations=[FieldViolation("profile_type", cause)]
        )
    return profile


async def out_of_all_sessions(context: UserContext, connection: AsyncConnection, user: User, *, reason: str) -> User:
    """Ends the sessions of a user who is held; once he is written, those on the other network end with his bundle."""
    at = context.clock()
    await end_user_sessions(connection, user.id, at=at, reason=reason)
    return without_sessions(user, at)


async def locked(context: UserContext, connection: AsyncConnection, user_id: UUID) -> User:
    """The user, held until the transaction ends. Raises NotFoundError."""
    user = await context.users.find(connection, user_id, lock=True)
    if user is None:
        raise NotFoundError("There is no user with that id; `GET /api/v1/admin/users` lists all.", metadata=RESOURCE)
    return user


async def written(context: UserContext, connection: AsyncConnection, user: User) -> User:
    """Writes the user under a new revision and returns him with it."""
    revision = await context.users.next_revision(connection)
    user = replace(user, revision=revision, updated_at=context.clock())
    await context.users.update(connection, user)
    return user


def entry(action: str, user: User, caller: Caller, data: Mapping[str, Any] | None = None) -> AuditEntry:
    """The audit row of a change to a user. `data` holds no password."""
    return caller_entry(
        caller,
        action,
        resource_type="user",
        resource_id=str(user.id),
        request_data=data,
        metadata={"username": user.username, "revision": user.revision},
    )


RESOURCE = {"resource": "user"}
