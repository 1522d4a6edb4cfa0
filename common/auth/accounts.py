"""What sign-in needs to know of an account, and the port through which each service supplies it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.policy.limits import UserLimits


@dataclass(frozen=True, slots=True)
class Account:
    """A user as far as sign-in is concerned. `password_hash` is an Argon2id string in PHC form."""

    user_id: UUID
    username: str
    full_name: str
    role: str
    profile_type: str
    limits: UserLimits
    is_active: bool
    password_hash: str


class AccountDirectory(Protocol):
    """Where accounts are found. Every method runs in the caller's transaction."""

    @property
    def keeps_passwords(self) -> bool:
        """Whether passwords are kept here, and not only copies of their hashes that another network sends."""
        ...

    async def find_by_username(self, connection: AsyncConnection, username: str) -> Account | None:
        """The account of that name, active or not. `username` is folded as by `common.auth.names`."""
        ...

    async def find_by_id(self, connection: AsyncConnection, user_id: UUID) -> Account | None:
        """The account with that id, active or not."""
        ...

    async def hold(self, connection: AsyncConnection, user_id: UUID) -> Account | None:
        """As `find_by_id`, and whoever changes the account waits until the caller's transaction ends."""
        ...

    async def record_login(self, connection: AsyncConnection, user_id: UUID, at: datetime) -> None:
        """Keeps the time of the last sign-in; a directory that is read-only does nothing."""
        ...

    async def keep_rehash(self, connection: AsyncConnection, user_id: UUID, password_hash: str) -> None:
        """Replaces the hash by another of the same password; called only where `keeps_passwords`. No session ends."""
        ...
