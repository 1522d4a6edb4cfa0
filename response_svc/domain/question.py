"""What is asked, of which index and with whose rights: all that an answer may depend on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from common.policy.limits import BASIC, PER_DAY, PER_HOUR, PER_MINUTE, PRIORITY, effective
from common.policy.profile_type import ProfileType

if TYPE_CHECKING:
    from airlock.search.v1.search_pb2 import Search

NO_RIGHTS: Final = frozenset({"description", PER_MINUTE, PER_HOUR, PER_DAY, PRIORITY, "soft"})
"""What a profile type says of when and how often, not of what may be seen. Whatever else it says is a right."""
NO_PROFILE: Final = ProfileType("", effective(BASIC, None))
"""The rights of a user for whose profile type there is no rule: all."""
RIGHTS_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class ResultScope:
    """Who may share an answer: those whose profile types give exactly the same rights, under whatever name."""

    rights: bytes
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Question:
    """A search that may be asked. An answer is given to, and an execution shared with, equal questions only."""

    index: str
    search: Search
    scope: ResultScope


@lru_cache(maxsize=256)
def result_scope(profile: ProfileType | None) -> ResultScope:
    """The scope of users of that profile type, or of users without any rule of one."""
    profile = profile if profile is not None else NO_PROFILE
    rights = {name: value for name, value in profile.content().items() if name not in NO_RIGHTS}
    digest = hashlib.sha256(json.dumps(rights, sort_keys=True).encode()).digest()
    return ResultScope(digest[:RIGHTS_BYTES], profile.max_result_bytes)
