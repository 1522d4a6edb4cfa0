"""What an API key may be made for: permissions by their names in small letters, as far as its user's role has them."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from airlock.common.v1 import permission_pb2 as permissions

from common.auth.permissions import permissions_of
from common.errors import FieldViolation, InvalidFieldError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from airlock.common.v1.permission_pb2 import Permission

_PREFIX: Final = "PERMISSION_"
_NO_SCOPES: Final = frozenset(
    {
        permissions.PERMISSION_UNSPECIFIED,
        permissions.PERMISSION_PUBLIC,
        # A session's own affairs, other people and their keys: for people, who sign in.
        permissions.PERMISSION_SIGNED_IN,
        permissions.PERMISSION_MANAGE_USERS,
        permissions.PERMISSION_MANAGE_API_KEYS,
    }
)

SCOPES: Final[Mapping[str, Permission.ValueType]] = MappingProxyType(
    {
        name.removeprefix(_PREFIX).lower(): number
        for name, number in permissions.Permission.items()
        if number not in _NO_SCOPES
    }
)
"""Every scope there is, and the permission that it stands for."""


def scope_name(permission: Permission.ValueType) -> str:
    """The scope that stands for a permission, also for one that no key can have."""
    return permissions.Permission.Name(permission).removeprefix(_PREFIX).lower()


def scopes_of(role: str) -> tuple[str, ...]:
    """The scopes that a key of a user of that role may have."""
    held = permissions_of(role)
    return tuple(name for name, permission in SCOPES.items() if permission in held)


def permissions_within(scopes: Iterable[str], role: str) -> frozenset[Permission.ValueType]:
    """What both the scopes and the role allow. A scope that this version does not know allows nothing."""
    return frozenset(SCOPES[name] for name in scopes if name in SCOPES) & permissions_of(role)


def check_scopes(scopes: Collection[str], role: str) -> tuple[str, ...]:
    """The scopes in their usual order. Raises InvalidFieldError, naming those that may be had, for any other."""
    allowed = scopes_of(role)
    unknown = [name for name in scopes if name not in allowed]
    if unknown:
        cause = f"must be of those that the role “{role}” has here: {', '.join(allowed)}"
        raise InvalidFieldError(f"scopes {cause}.", violations=[FieldViolation("scopes", cause)])
    return tuple(name for name in allowed if name in scopes)
