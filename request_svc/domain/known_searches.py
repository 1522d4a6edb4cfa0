"""Remembers what was found out about searches that were permitted: people and programs ask the same again and again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from common.policy.policy import Policy

MAX_KNOWN: Final = 512
MAX_BODY: Final = 4096
"""Bytes of a body that is remembered. With MAX_KNOWN this keeps a process below 10 MiB for all of them."""

Key = tuple[str, str, bool, bytes]


@dataclass(frozen=True, slots=True)
class PermittedSearch:
    """A search that was read and permitted, and so never will be again unless the policy changes."""

    normal: bytes
    query_type: str
    outline: Mapping[str, object]


class KnownSearches:
    """One a process. Only what was permitted is kept, and all is forgotten when the policy is another one."""

    def __init__(self) -> None:
        self._policy: Policy | None = None
        self._known: dict[Key, PermittedSearch] = {}

    def find(self, policy: Policy, key: Key) -> PermittedSearch | None:
        """What is known of these bytes, asked of this index by somebody of this profile type, under this policy."""
        if policy is not self._policy:
            self._policy, self._known = policy, {}
        found = self._known.pop(key, None)
        if found is not None:
            self._known[key] = found
        return found

    def keep(self, policy: Policy, key: Key, permitted: PermittedSearch) -> None:
        """Remembers it; what was not asked for longest makes room."""
        if policy is not self._policy or len(key[-1]) > MAX_BODY:
            return
        if len(self._known) >= MAX_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[key] = permitted
