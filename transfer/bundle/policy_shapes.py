"""The shape of the policy's records by themselves: profile types, settings, indices, and which limits a user inherits.

Beside the rules at their fields, lists are in ascending order with each entry once: one row has one encoding, and so
one digest.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from airlock.bundle.v1.replication_pb2 import UserLimit

from transfer.bundle.limits import MAX_RESULT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airlock.bundle.v1.replication_pb2 import Index, ProfileType, Setting

_PROFILE_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,49}")
_SETTING_KEY: Final = re.compile(r"[a-z][a-z0-9_]{0,49}\.[a-z][a-z0-9_]{0,49}")
_MAX_TEXT: Final = 255
_MAX_VALUE: Final = 1000
_MAX_SHORT_RATE: Final = 1_000_000
_MAX_DAY_RATE: Final = 10_000_000
_MAX_PRIORITY: Final = 10
_MAX_KINDS: Final = 64
_MAX_KIND: Final = 50
_MAX_INDICES: Final = 1000
_MAX_INDEX: Final = 255
_MAX_FIELDS: Final = 5000
_MAX_FIELD: Final = 512
_MAX_TYPE: Final = 50
_MAX_USER_LIMITS: Final = 4
_USER_LIMITS: Final = frozenset(UserLimit.values()) - {0}


def limit_list_shape(limits: Sequence[int]) -> str | None:
    """The first rule that a list of inherited limits breaks."""
    if len(limits) > _MAX_USER_LIMITS or not _USER_LIMITS.issuperset(limits):
        return "inherited limits are known ones, at most 4"
    return None if _ascends(limits) else "inherited limits are in ascending order, each once"


def profile_type_shape(profile: ProfileType) -> str | None:
    """The first rule that a profile type breaks."""
    if not _PROFILE_NAME.fullmatch(profile.name):
        return "a profile type's name is a small letter with up to 49 of a-z, 0-9, _ and - behind it"
    if len(profile.description) > _MAX_TEXT:
        return "the description has at most 255 characters"
    short = (profile.rate_limit_per_minute, profile.rate_limit_per_hour)
    if not all(1 <= rate <= _MAX_SHORT_RATE for rate in short) or not 1 <= profile.rate_limit_per_day <= _MAX_DAY_RATE:
        return "rate limits are 1 to 1,000,000 a minute and an hour, and 1 to 10,000,000 a day"
    if not 1 <= profile.priority <= _MAX_PRIORITY:
        return "the priority is 1 to 10"
    if len(profile.query_kinds) > _MAX_KINDS or not all(1 <= len(kind) <= _MAX_KIND for kind in profile.query_kinds):
        return "there are at most 64 kinds of queries of 1 to 50 characters"
    if len(profile.indices) > _MAX_INDICES or not all(1 <= _length(name) <= _MAX_INDEX for name in profile.indices):
        return "there are at most 1000 indices of 1 to 255 bytes"
    if not _ascends(profile.query_kinds) or not _ascends(profile.indices):
        return "kinds and indices are in ascending order, each once"
    if not 1 <= profile.max_result_bytes <= MAX_RESULT:
        return "an answer has 1 byte to 32 MiB"
    return _revision_shape(profile.revision)


def setting_shape(setting: Setting) -> str | None:
    """The first rule that a setting breaks."""
    if not _SETTING_KEY.fullmatch(setting.key):
        return "a setting's key is two words of a-z, 0-9 and _ with a dot between"
    if len(setting.string_value) > _MAX_VALUE:
        return "a text has at most 1000 characters"
    if (setting.WhichOneof("value") is None) != setting.is_deleted:
        return "a setting has a value unless it was put back to its default"
    return _revision_shape(setting.revision)


def index_shape(index: Index) -> str | None:
    """The first rule that an index breaks."""
    if not 1 <= _length(index.name) <= _MAX_INDEX:
        return "the index has 1 to 255 bytes"
    if len(index.description) > _MAX_TEXT:
        return "the description has at most 255 characters"
    if len(index.fields) > _MAX_FIELDS:
        return "an index has at most 5000 fields"
    for field in index.fields:
        if not 1 <= _length(field.name) <= _MAX_FIELD or not 1 <= len(field.type) <= _MAX_TYPE:
            return "a field has a name of 1 to 512 bytes and a type of 1 to 50 characters"
    if not _ascends(field.name for field in index.fields):
        return "fields are in ascending order of their names, each once"
    return _revision_shape(index.revision)


def _revision_shape(revision: int) -> str | None:
    return None if revision else "the revision is at least 1"


def _length(text: str) -> int:
    return len(text.encode())


def _ascends(values: Iterable[int] | Iterable[str]) -> bool:
    """Whether each is greater than the one before; code points compare as their UTF-8 bytes do."""
    return all(before < after for before, after in pairwise(values))  # type: ignore[operator] # all are of one type
