"""The signed-in caller as the rest of the code sees him: all of it read from a checked token, without the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airlock.common.v1 import permission_pb2

from common.auth.permissions import ROLE_ADMIN, ROLE_OPERATOR
from common.errors import PermissionMissingError

if TYPE_CHECKING:
    from uuid import UUID

    from airlock.common.v1.permission_pb2 import Permission

    from common.policy.limits import UserLimits


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller whose token was verified. The claims are as old as the token, one hour at most."""

    user_id: UUID
    username: str
    role: str
    session_id: UUID
    permissions: frozenset[Permission.ValueType]
    limits: UserLimits
    profile_type: str

    def may(self, permission: Permission.ValueType) -> bool:
        """Whether the role, or the token's narrower scope, allows `permission`."""
        return permission == permission_pb2.PERMISSION_PUBLIC or permission in self.permissions

    def require(self, permission: Permission.ValueType) -> None:
        """Raises PermissionMissingError unless `may`."""
        if not self.may(permission):
            name = permission_pb2.Permission.Name(permission)
            raise PermissionMissingError(
                f"Your role “{self.role}” does not allow this call; ask an administrator for a role with {name}.",
                metadata={"permission": name},
            )

    @property
    def may_raise_priority(self) -> bool:
        """Only operators and administrators may ask for more than their own priority."""
        return self.role in {ROLE_OPERATOR, ROLE_ADMIN}
