"""What a user is on the network that is the master of users, and which changes are allowed."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from common.errors import FieldViolation, InvalidFieldError, WrongStateError
from common.policy.limits import LIMIT_NAMES, RateLimits, UserLimits

if TYPE_CHECKING:
    from uuid import UUID

    from common.policy.limits import EffectiveLimits

ADMIN_PROFILE: Final = "admin"
"""The profile type that only the admin can have."""
_USERNAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
_EMAIL: Final = re.compile(r"[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+")
_EMAIL_LIMIT: Final = 255
_NUMBERED_FROM: Final = datetime(2026, 1, 1, tzinfo=UTC)


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
    """A higher number whenever all his sessions are ended, so that the other network ends them too."""

    @property
    def limits(self) -> UserLimits:
        """His limits as sign-in knows them."""
        rates = RateLimits(self.rate_limit_per_minute, self.rate_limit_per_hour, self.rate_limit_per_day)
        return UserLimits(rates, self.priority, frozenset(self.inherits))


@dataclass(frozen=True, slots=True)
class NewUser:
    """A user to be made. A limit that is None is the profile type's.

    The password is clear text and never leaves the use case.
    """

    username: str
    email: str
    password: str
    full_name: str = ""
    role: Role = Role.USER
    profile_type: str = "basic"
    rate_limit_per_minute: int | None = None
    rate_limit_per_hour: int | None = None
    rate_limit_per_day: int | None = None
    priority: int | None = None

    def __repr__(self) -> str:
        return f"NewUser(username={self.username!r}, role={self.role.value!r})"

    @property
    def inherits(self) -> tuple[str, ...]:
        """The limits that are left to the profile type."""
        return tuple(sorted(name for name in LIMIT_NAMES if getattr(self, name) is None))


@dataclass(frozen=True, slots=True)
class UserChanges:
    """What to change; None leaves a field as it is. `inherit` names limits that the profile type decides again."""

    email: str | None = None
    full_name: str | None = None
    role: Role | None = None
    profile_type: str | None = None
    rate_limit_per_minute: int | None = None
    rate_limit_per_hour: int | None = None
    rate_limit_per_day: int | None = None
    priority: int | None = None
    inherit: tuple[str, ...] = ()

    def set_fields(self) -> dict[str, Any]:
        """The fields that are to change, by name."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {name: value for name, value in values.items() if value is not None and value != ()}


def checked(new: NewUser) -> NewUser:
    """The user as he can be made. Raises InvalidFieldError for a name or an address that might be mistaken."""
    if not _USERNAME.fullmatch(new.username):
        raise _invalid(
            "username",
            "must be plain ASCII: 1 to 100 letters, digits, dots, underscores and hyphens, the first a letter or digit",
        )
    check_profile(new.role, new.profile_type)
    return replace(new, email=checked_email(new.email))


def checked_email(email: str) -> str:
    """The address in the one form in which it is kept and compared, but for case."""
    normal = unicodedata.normalize("NFKC", email)
    if not _EMAIL.fullmatch(normal) or len(normal) > _EMAIL_LIMIT:
        raise _invalid("email", f"must be an e-mail address of at most {_EMAIL_LIMIT} characters")
    return normal


def check_profile(role: Role, profile_type: str) -> None:
    """Raises InvalidFieldError for the admin's profile type on anybody else."""
    if profile_type == ADMIN_PROFILE and role is not Role.ADMIN:
        raise _invalid("profile_type", f"“{ADMIN_PROFILE}” is for the admin only; name another profile type")


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
    given = changes.set_fields()
    again = given.pop("inherit", ())
    if both := [name for name in again if name in given]:
        raise _invalid("inherit", f"names {both[0]}, to which the same call gives a value; do either")
    if changes.email is not None:
        given["email"] = checked_email(changes.email)
    own = {name for name in LIMIT_NAMES if name in given}
    given["inherits"] = tuple(sorted({*user.inherits, *again} - own))
    after = replace(user, **given)
    check_profile(after.role, after.profile_type)
    return user if after == user else after


def with_limits_of(user: User, profile: EffectiveLimits) -> User:
    """The user whose inherited limits are spelt out too, for a network that does not know his profile type yet."""
    values: dict[str, Any] = {
        "rate_limit_per_minute": profile.rates.per_minute,
        "rate_limit_per_hour": profile.rates.per_hour,
        "rate_limit_per_day": profile.rates.per_day,
        "priority": profile.priority,
    }
    return replace(user, **{name: values[name] for name in user.inherits})


def claims_changed(before: User, after: User) -> bool:
    """Whether a token that was given before says what is no longer so."""
    return (before.profile_type, before.limits) != (after.profile_type, after.limits)


def deactivated(user: User) -> User:
    """The user shut out; the same object when he already is."""
    if user.role is Role.ADMIN:
        raise WrongStateError(
            "The admin cannot be deactivated: no one could manage users any more.", metadata={"state": "admin"}
        )
    return replace(user, is_active=False) if user.is_active else user


def reactivated(user: User) -> User:
    """The user let in again; the same object when he never was shut out."""
    return user if user.is_active else replace(user, is_active=True)


def without_sessions(user: User, at: datetime) -> User:
    """The user all of whose sessions are to end, on the other network too, which sees it by another number.

    The number follows the time, so that a database that was set back to a backup gives none twice: the other network
    may have seen those that were forgotten here.
    """
    seconds = int((at - _NUMBERED_FROM).total_seconds())
    return replace(user, session_version=max(user.session_version + 1, seconds))


def _invalid(field: str, cause: str) -> InvalidFieldError:
    return InvalidFieldError(f"The call breaks a rule: {field} {cause}.", violations=[FieldViolation(field, cause)])
