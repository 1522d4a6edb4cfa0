"""Whether a search may be asked at all: its index, its kinds, its size and its fields, by the policy that counts now.

Both networks ask this: before a request is stored, and again before it is executed.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from common.errors import IndexNotAllowedError
from common.policy.profile_type import EVERYTHING
from common.search.fields import check_fields, nearest
from common.search.indices import check_index_name
from common.search.kind import ALL_KINDS
from common.search.limits import QueryLimits, check_search
from common.search.violations import shown

if TYPE_CHECKING:
    from airlock.search.v1.search_pb2 import Search

    from common.policy.index import AllowedIndex
    from common.policy.policy import Policy
    from common.policy.profile_type import ProfileType

_SETTINGS: Final = [
    (limit.name, f"query.{limit.name}") for limit in dataclasses.fields(QueryLimits) if limit.name != "allowed_kinds"
]
"""Each limit but the kinds is a setting of the same name."""
_NAMED: Final = 32
"""How many permitted indices a refusal names."""


def permitted_index(name: str, policy: Policy, profile: ProfileType | None, *, without_any: str) -> AllowedIndex:
    """The allowed index of that name. Without a profile type there is no rule of one.

    Raises QueryInvalidError for a name that is not exact, and IndexNotAllowedError for one that may not be searched.
    `without_any` says what to do where no index is allowed at all.
    """
    check_index_name(name)
    index = policy.indices.get(name)
    if index is not None and (profile is None or profile.permits_index(name)):
        return index
    permitted = [one for one in policy.indices if profile is None or profile.permits_index(one)]
    raise IndexNotAllowedError(
        f"the index {name} may not be searched{_advice(name, policy, profile, permitted, without_any)}",
        metadata={"index": name, "allowed": _listed(permitted)},
    )


def check_permitted(search: Search, index: AllowedIndex, policy: Policy, profile: ProfileType | None) -> None:
    """Raises QueryLimitError or QueryInvalidError for a search that the policy or the index's fields do not take."""
    messages = check_search(search, query_limits(policy, profile))
    check_fields(search, index, messages)


def query_limits(policy: Policy, profile: ProfileType | None) -> QueryLimits:
    """How large a search may be by the settings, and of which kinds by the profile type."""
    kinds = ALL_KINDS
    if profile is not None and profile.query_kinds != EVERYTHING:
        kinds = frozenset(profile.query_kinds)
    return QueryLimits(allowed_kinds=kinds, **_limits(policy))


def _limits(policy: Policy) -> dict[str, Any]:
    return {name: policy.value(key) for name, key in _SETTINGS}


def _advice(name: str, policy: Policy, profile: ProfileType | None, permitted: list[str], without_any: str) -> str:
    if not policy.indices:
        return f": {without_any}"
    whose = f" by users of the profile type {profile.name}" if profile is not None else ""
    if not permitted:
        return f"{whose}; they may search none. An administrator of the Response Network can permit it"
    near = nearest(name, permitted)
    meant = f"; {near}" if near.startswith("did") else "."
    return f"{whose}{meant} Allowed: {_listed(permitted)}. An administrator of the Response Network can allow others"


def _listed(names: list[str]) -> str:
    return ", ".join(shown(name) for name in names[:_NAMED]) or "none"
