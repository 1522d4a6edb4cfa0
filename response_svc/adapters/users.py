"""The users table as a store: rows in and out, and the counter that orders their revisions."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from common.errors import AlreadyExistsError
from response_svc.adapters.tables import revision_counters, users
from response_svc.domain.user import Role, User

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

USERS_KIND = "users"

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
        """The user of that name, without regard to case."""
        statement = select(users).where(func.lower(users.c.username) == func.lower(username))
        row = (await connection.execute(statement)).one_or_none()
        return user_of(row) if row is not None else None

    async def list_by_name(
        self, connection: AsyncConnection, *, prefix: str, is_active: bool | None, after: str | None, limit: int
    ) -> Sequence[User]:
        """Up to `limit` users in order of their names in lower case, those after the name `after`."""
        name = func.lower(users.c.username)
        statement = select(users).order_by(name).limit(limit)
        if prefix:
            statement = statement.where(name.startswith(prefix.lower(), autoescape=True))
        if is_active is not None:
            statement = statement.where(users.c.is_active == is_active)
        if after is not None:
            statement = statement.where(name > func.lower(after))
        return [user_of(row) for row in await connection.execute(statement)]

    async def admin_exists(self, connection: AsyncConnection) -> bool:
        """Whether there is an active admin."""
        statement = select(users.c.id).where(users.c.role == Role.ADMIN.value, users.c.is_active)
        return (await connection.execute(statement)).first() is not None


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
