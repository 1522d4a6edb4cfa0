"""The signed-in caller as the rest of the code sees him, known from a checked token or key without the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airlock.common.v1 import permission_pb2

from common.auth.permissions import ROLE_ADMIN, ROLE_OPERATOR, permissions_of
from common.auth.scopes import SCOPES, scope_name
from common.errors import PermissionMissingError

if TYPE_CHECKING:
    from uuid import UUID

    from airlock.common.v1.permission_pb2 import Permission

    from common.auth.api_keys import CallerKey
    from common.policy.limits import UserLimits


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller whose token was verified. The claims are as old as the token, one hour at most.

    A call with an API key has `key`, and the key's id as its session's, which nothing can end but the key's own end.
    """

    user_id: UUID
    username: str
    role: str
    session_id: UUID
    permissions: frozenset[Permission.ValueType]
    limits: UserLimits
    profile_type: str
    key: CallerKey | None = None

    def may(self, permission: Permission.ValueType) -> bool:
        """Whether the role, or the key's narrower scopes, allow `permission`."""
        return permission == permission_pb2.PERMISSION_PUBLIC or permission in self.permissions

    def require(self, permission: Permission.ValueType) -> None:
        """Raises PermissionMissingError unless `may`."""
        if not self.may(permission):
            name = permission_pb2.Permission.Name(permission)
            raise PermissionMissingError(self._cause_and_next_step(permission, name), metadata={"permission": name})

    def _cause_and_next_step(self, permission: Permission.ValueType, name: str) -> str:
        scope = scope_name(permission)
        if self.key is None or (scope in SCOPES and permission not in permissions_of(self.role)):
            return f"Your role “{self.role}” does not allow this call; ask an administrator for a role with {name}."
        if scope not in SCOPES:
            return "An API key cannot make this call; sign in with name and password."
        return f"This API key has not the scope {scope}; make one that has it, with CreateApiKey."

    @property
    def may_raise_priority(self) -> bool:
        """Only operators and administrators may ask for more than their own priority."""
        return self.role in {ROLE_OPERATOR, ROLE_ADMIN}
