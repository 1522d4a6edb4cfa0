"""What a user is on the network that is the master of users, and which changes are allowed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from common.errors import WrongStateError
from common.policy.limits import RateLimits, UserLimits

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID


class Role(StrEnum):
    """What a user may do; `common.auth.permissions` spells it out."""

    USER = "user"
    OPERATOR = "operator"
    ADMIN = "admin"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class User:
    """A user. Every change that the other network must hear of takes a new `revision`."""

    id: UUID
    username: str
    email: str
    hashed_password: str
    full_name: str
    role: Role
    profile_type: str
    rate_limit_per_minute: int
    rate_limit_per_hour: int
    rate_limit_per_day: int
    priority: int
    is_active: bool
    revision: int
    created_at: datetime
    updated_at: datetime
    last_login: datetime | None = None
    inherits: tuple[str, ...] = ()
    """The limits that are those of the profile type; the user's own count where no such profile type is known."""
    session_version: int = 0
    """Raised whenever all his sessions are ended, so that the other network ends them too."""

    @property
    def limits(self) -> UserLimits:
        """His limits as sign-in knows them."""
        rates = RateLimits(self.rate_limit_per_minute, self.rate_limit_per_hour, self.rate_limit_per_day)
        return UserLimits(rates, self.priority, frozenset(self.inherits))


@dataclass(frozen=True, slots=True)
class NewUser:
    """A user to be made. The password is clear text and never leaves the use case."""

    username: str
    email: str
    password: str
    full_name: str = ""
    role: Role = Role.USER
    profile_type: str = "basic"
    rate_limit_per_minute: int = 10
    rate_limit_per_hour: int = 100
    rate_limit_per_day: int = 500
    priority: int = 5

    def __repr__(self) -> str:
        return f"NewUser(username={self.username!r}, role={self.role.value!r})"


@dataclass(frozen=True, slots=True)
class UserChanges:
    """What to change; None leaves a field as it is."""

    email: str | None = None
    full_name: str | None = None
    role: Role | None = None
    profile_type: str | None = None
    rate_limit_per_minute: int | None = None
    rate_limit_per_hour: int | None = None
    rate_limit_per_day: int | None = None
    priority: int | None = None

    def set_fields(self) -> dict[str, object]:
        """The fields that are to change, by name."""
        return {name: value for name in self.__slots__ if (value := getattr(self, name)) is not None}


def changed(user: User, changes: UserChanges) -> User:
    """The user with the changes applied; the same object when nothing would change."""
    if changes.role is not None and changes.role is not user.role:
        if user.role is Role.ADMIN:
            raise WrongStateError("The admin's role cannot be changed.", metadata={"state": "admin"})
        if changes.role is Role.ADMIN:
            raise WrongStateError(
                "There is one admin, made by `airlock-response create-admin`; no one can be promoted.",
                metadata={"state": user.role.value},
            )
    fields = {name: value for name, value in changes.set_fields().items() if getattr(user, name) != value}
    return replace(user, **fields) if fields else user  # type: ignore[arg-type]  # the names are UserChanges' own


def deactivated(user: User) -> User:
    """The user shut out; the same object when he already is."""
    if user.role is Role.ADMIN:
        raise WrongStateError(
            "The admin cannot be deactivated: no one could manage users any more.", metadata={"state": "admin"}
        )
    return replace(user, is_active=False) if user.is_active else user
