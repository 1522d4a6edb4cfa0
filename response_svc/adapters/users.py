"""The users table as a store: rows in and out, and the counter that orders their revisions."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from common.auth.names import folded
from common.errors import AlreadyExistsError
from common.policy.profile_type import profile_type_from
from common.policy.tables import profile_types
from response_svc.adapters.tables import revision_counters, users
from response_svc.domain.user import Role, User
from response_svc.domain.user_list import NEVER

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.policy.limits import EffectiveLimits
    from response_svc.domain.user_list import UserFilter, UserOrder, UserPlace

USERS_KIND = "users"
NAME = func.lower(users.c.username)
ORDERS = {
    "username": NAME,
    "created_at": users.c.created_at,
    "updated_at": users.c.updated_at,
    "last_login": func.coalesce(users.c.last_login, NEVER),
}

# Made once, since every execution asks for its user.
FIND = select(users).where(users.c.id == bindparam("user_id"))
FIND_AND_LOCK = FIND.with_for_update()

TAKEN = {
    "uq_users_username": ("A user of that name is there already; choose another name.", "username"),
    "uq_users_email": ("A user with that address is there already; choose another address.", "email"),
    "uq_users_one_active_admin": ("There is an active admin already, and there can only be one.", "admin"),
}


class PostgresUsers:
    """The users of this network in PostgreSQL."""

    async def next_revision(self, connection: AsyncConnection) -> int:
        """The next revision; whoever takes another waits until this transaction has ended."""
        statement = insert(revision_counters).values(kind=USERS_KIND, revision=1)
        statement = statement.on_conflict_do_update(
            index_elements=["kind"], set_={"revision": revision_counters.c.revision + 1}
        )
        revision: int = (await connection.execute(statement.returning(revision_counters.c.revision))).scalar_one()
        return revision

    async def insert(self, connection: AsyncConnection, user: User) -> None:
        """Adds a user. Raises AlreadyExistsError for a taken name or address, or a second active admin."""
        try:
            await connection.execute(users.insert().values(asdict(user)))
        except IntegrityError as error:
            raise taken(error) from error

    async def update(self, connection: AsyncConnection, user: User) -> None:
        """Writes the user as he now is. Raises AlreadyExistsError for a taken address."""
        values = asdict(user)
        for unchangeable in ("id", "created_at", "last_login"):
            del values[unchangeable]
        try:
            await connection.execute(update(users).where(users.c.id == user.id).values(values))
        except IntegrityError as error:
            raise taken(error) from error

    async def find(self, connection: AsyncConnection, user_id: UUID, *, lock: bool = False) -> User | None:
        """The user with that id; with `lock`, held until the transaction ends."""
        row = (await connection.execute(FIND_AND_LOCK if lock else FIND, {"user_id": user_id})).one_or_none()
        return user_of(row) if row is not None else None

    async def find_by_username(self, connection: AsyncConnection, username: str) -> User | None:
        """The user of that name, which is folded."""
        statement = select(users).where(func.lower(users.c.username) == username)
        row = (await connection.execute(statement)).one_or_none()
        return user_of(row) if row is not None else None

    async def page(
        self,
        connection: AsyncConnection,
        *,
        wanted: UserFilter,
        order: UserOrder,
        after: UserPlace | None,
        limit: int,
    ) -> Sequence[User]:
        """Up to `limit` users in that order, those behind the place `after`."""
        place = tuple_(ORDERS[order.by], users.c.id)
        directed = (column.desc() if order.descending else column.asc() for column in place)
        statement = select(users).order_by(*directed).limit(limit)
        if wanted.username_prefix:
            statement = statement.where(NAME.startswith(folded(wanted.username_prefix), autoescape=True))
        if wanted.is_active is not None:
            statement = statement.where(users.c.is_active == wanted.is_active)
        if wanted.role:
            statement = statement.where(users.c.role == wanted.role)
        if wanted.profile_type:
            statement = statement.where(users.c.profile_type == wanted.profile_type)
        if after is not None:
            statement = statement.where(place < tuple(after) if order.descending else place > tuple(after))
        return [user_of(row) for row in await connection.execute(statement)]

    async def find_admin(self, connection: AsyncConnection) -> User | None:
        """The active admin."""
        statement = select(users).where(users.c.role == Role.ADMIN.value, users.c.is_active)
        row = (await connection.execute(statement)).one_or_none()
        return user_of(row) if row is not None else None

    async def hold_profile(self, connection: AsyncConnection, name: str) -> EffectiveLimits | None:
        """The limits of a profile type, which nobody can change or remove until the transaction ends."""
        columns = profile_types.c
        held = select(columns.content).where(columns.name == name, ~columns.is_deleted).with_for_update(read=True)
        content = await connection.scalar(held)
        return profile_type_from(name, content).limits if content is not None else None


def user_of(row: Row[*tuple[Any, ...]]) -> User:
    """The user that a row of the table holds."""
    values = dict(row._mapping)  # noqa: SLF001 - the documented way to read a row by name.
    return User(**{**values, "role": Role(values["role"]), "inherits": tuple(values["inherits"])})


def taken(error: IntegrityError) -> AlreadyExistsError:
    """The refusal for a broken uniqueness rule. Any other broken rule is a fault of ours and is raised again."""
    constraint = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
    if constraint not in TAKEN:
        raise error
    message, resource = TAKEN[constraint]
    return AlreadyExistsError(message, metadata={"resource": resource})
