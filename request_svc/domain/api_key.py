"""An API key as it is kept, how it stands at a moment, and the rules of its life and of its rotation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from common.errors import FieldViolation, InvalidFieldError, WrongStateError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

USUAL_OVERLAP_HOURS: Final = 24
"""How long a rotated key lives on where nobody says otherwise."""


_JOINERS: Final = {0x200C: None, 0x200D: None}
"""They show nothing, but Persian and other scripts are not written without them."""


class ApiKeyState(StrEnum):
    """How a key stands. A rotated one is still good, until its overlap ends."""

    ACTIVE = "active"
    ROTATED = "rotated"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its text."""

    key_id: UUID
    user_id: UUID
    name: str
    prefix: str
    scopes: tuple[str, ...]
    created_at: datetime
    created_by: UUID
    expires_at: datetime
    last_used_at: datetime | None = None
    last_used_address: str | None = None
    rotated_from: UUID | None = None
    rotated_to: UUID | None = None
    overlap_ends_at: datetime | None = None
    revoked_at: datetime | None = None
    revoked_by: UUID | None = None

    @property
    def ends_at(self) -> datetime:
        """When it can no longer be used, unless it is revoked before."""
        return self.expires_at if self.overlap_ends_at is None else min(self.expires_at, self.overlap_ends_at)

    def state(self, now: datetime) -> ApiKeyState:
        """How it stands at `now`."""
        if self.revoked_at is not None:
            return ApiKeyState.REVOKED
        if self.ends_at <= now:
            return ApiKeyState.EXPIRED
        return ApiKeyState.ACTIVE if self.rotated_to is None else ApiKeyState.ROTATED

    def expires_soon(self, now: datetime, warning: timedelta) -> bool:
        """Whether somebody should see to a successor."""
        return self.state(now) is ApiKeyState.ACTIVE and self.ends_at <= now + warning


def end_of_life(
    now: datetime, *, expires_at: datetime | None, lifetime_days: int | None, longest_days: int
) -> datetime:
    """When a new key ends: as asked for, or else after the longest life. Raises InvalidFieldError beyond that."""
    if expires_at is not None:
        if expires_at <= now:
            raise _invalid("expires_at", "must lie in the future")
        if expires_at > now + timedelta(days=longest_days):
            raise _invalid("expires_at", f"must lie within {longest_days} days (setting api_keys.longest_life_days)")
        return expires_at
    if lifetime_days is not None and lifetime_days > longest_days:
        raise _invalid("lifetime_days", f"must be at most {longest_days} (setting api_keys.longest_life_days)")
    return now + timedelta(days=lifetime_days or longest_days)


def end_of_successor(now: datetime, old: ApiKey, *, lifetime_days: int | None, longest_days: int) -> datetime:
    """When a key's successor ends: as asked for, or else after as long as the old one was meant to live."""
    if lifetime_days is not None:
        return end_of_life(now, expires_at=None, lifetime_days=lifetime_days, longest_days=longest_days)
    return now + min(old.expires_at - old.created_at, timedelta(days=longest_days))


def end_of_overlap(now: datetime, *, overlap_hours: int | None, longest_hours: int) -> datetime:
    """Until when a rotated key lives on. Raises InvalidFieldError beyond the longest overlap."""
    if overlap_hours is None:
        overlap_hours = min(USUAL_OVERLAP_HOURS, longest_hours)
    if overlap_hours > longest_hours:
        cause = f"must be at most {longest_hours} (setting api_keys.longest_overlap_hours)"
        raise _invalid("overlap_hours", cause)
    return now + timedelta(hours=overlap_hours)


def check_rotation(key: ApiKey, now: datetime) -> None:
    """Raises WrongStateError for a key that has a successor or is over."""
    state = key.state(now)
    if state is ApiKeyState.ACTIVE:
        return
    cause = {
        ApiKeyState.ROTATED: f"was rotated already, into {key.rotated_to}; use that one",
        ApiKeyState.EXPIRED: "is over; make a new one",
        ApiKeyState.REVOKED: "was revoked; make a new one",
    }[state]
    raise WrongStateError(f"The key “{key.name}” {cause}.", metadata={"state": state.value})


def narrowed(scopes: Sequence[str], old: ApiKey) -> tuple[str, ...]:
    """The successor's scopes: the old key's, or those of them that are named; InvalidFieldError for any other."""
    if any(scope not in old.scopes for scope in scopes):
        raise _invalid("scopes", f"must be of those that the old key has: {', '.join(old.scopes)}")
    return tuple(scope for scope in old.scopes if scope in scopes) if scopes else old.scopes


def check_name(name: str) -> None:
    """Raises InvalidFieldError for a name that could pass for something else in a list or a log."""
    if not name.translate(_JOINERS).isprintable() or name != name.strip():
        raise _invalid("name", "must hold printable characters only, and no space at either end")


def _invalid(field: str, cause: str) -> InvalidFieldError:
    return InvalidFieldError(f"{field} {cause}.", violations=[FieldViolation(field, cause)])
