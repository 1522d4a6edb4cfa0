"""Which users a list holds and in what order, and where in that order a user stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from uuid import UUID

    from response_svc.domain.user import User

NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands for the sign-in of one who never signed in."""
BY_NAME: Final = "username"


@dataclass(frozen=True, slots=True)
class UserFilter:
    """What all users of a list have in common; what is empty or None does not matter."""

    username_prefix: str = ""
    is_active: bool | None = None
    role: str = ""
    profile_type: str = ""


class UserOrder(NamedTuple):
    """By `username`, `created_at`, `updated_at` or `last_login`; users who are equal in that are ordered by id."""

    by: str = BY_NAME
    descending: bool = False


class UserPlace(NamedTuple):
    """A place in such an order: a user's value there, and his id."""

    value: str | datetime
    user_id: UUID


def order_of(text: str) -> UserOrder:
    """The order that a call names, as `created_at desc`; empty is by name."""
    by, _, direction = text.partition(" ")
    return UserOrder(by or BY_NAME, direction == "desc")


def place_of(user: User, order: UserOrder) -> UserPlace:
    """Where the user stands in that order."""
    value = user.username.lower() if order.by == BY_NAME else getattr(user, order.by) or NEVER
    return UserPlace(value, user.id)
