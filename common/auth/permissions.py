"""Which role may do what. The permissions themselves are declared beside the methods that require them."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from airlock.common.v1 import permission_pb2 as permissions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airlock.common.v1.permission_pb2 import Permission

ROLE_USER: Final = "user"
ROLE_OPERATOR: Final = "operator"
ROLE_ADMIN: Final = "admin"
ROLE_SYSTEM: Final = "system"

_USER: Final = frozenset(
    {
        permissions.PERMISSION_SIGNED_IN,
        permissions.PERMISSION_SUBMIT_REQUEST,
        permissions.PERMISSION_READ_REQUEST,
        permissions.PERMISSION_USE_API_KEYS,
    }
)
_OPERATOR: Final = _USER | {
    permissions.PERMISSION_READ_USERS,
    permissions.PERMISSION_READ_OPERATIONS,
    permissions.PERMISSION_OPERATE,
    permissions.PERMISSION_READ_AUDIT,
    permissions.PERMISSION_TRANSFER,
    permissions.PERMISSION_MANAGE_API_KEYS,
    permissions.PERMISSION_READ_POLICY,
}

ROLE_PERMISSIONS: Final[Mapping[str, frozenset[Permission.ValueType]]] = MappingProxyType(
    {
        ROLE_USER: _USER,
        ROLE_OPERATOR: _OPERATOR,
        ROLE_ADMIN: _OPERATOR | {permissions.PERMISSION_MANAGE_USERS, permissions.PERMISSION_MANAGE_POLICY},
        # Programs: integrations that submit requests, and transfer stations.
        ROLE_SYSTEM: _USER | {permissions.PERMISSION_TRANSFER},
    }
)


def permissions_of(role: str) -> frozenset[Permission.ValueType]:
    """What `role` may do; an unknown role may do nothing."""
    return ROLE_PERMISSIONS.get(role, frozenset())
