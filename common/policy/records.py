"""Rows of the policy as records of bundles and back, the same on both networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from airlock.bundle.v1.replication_pb2 import (
    USER_LIMIT_PRIORITY,
    USER_LIMIT_RATE_PER_DAY,
    USER_LIMIT_RATE_PER_HOUR,
    USER_LIMIT_RATE_PER_MINUTE,
    Index,
    IndexField,
    ProfileType,
    Setting,
    UserLimit,
)

from common.policy.index import AllowedIndex
from common.policy.limits import PER_DAY, PER_HOUR, PER_MINUTE, PRIORITY, EffectiveLimits, RateLimits
from common.policy.profile_type import ProfileType as Profile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_LIMITS: Final[Mapping[str, UserLimit.ValueType]] = {
    PER_MINUTE: USER_LIMIT_RATE_PER_MINUTE,
    PER_HOUR: USER_LIMIT_RATE_PER_HOUR,
    PER_DAY: USER_LIMIT_RATE_PER_DAY,
    PRIORITY: USER_LIMIT_PRIORITY,
}
_LIMIT_NAMES: Final = {number: name for name, number in _LIMITS.items()}


def inherited_limits(names: Iterable[str]) -> list[UserLimit.ValueType]:
    """Names of `common.policy.limits` as the record has them."""
    return sorted(_LIMITS[name] for name in names)


def inherited_names(limits: Iterable[UserLimit.ValueType]) -> list[str]:
    """The names of a record's limits, in the record's order. KeyError for one that is unknown here."""
    return [_LIMIT_NAMES[limit] for limit in limits]


def profile_type_record(name: str, content: Mapping[str, Any], revision: int, *, is_deleted: bool) -> ProfileType:
    """The record of a row of `profile_types`."""
    return ProfileType(
        name=name,
        description=content["description"],
        rate_limit_per_minute=content["rate_limit_per_minute"],
        rate_limit_per_hour=content["rate_limit_per_hour"],
        rate_limit_per_day=content["rate_limit_per_day"],
        priority=content["priority"],
        soft=content["soft"],
        query_kinds=sorted(content["query_kinds"]),
        indices=sorted(content["indices"]),
        max_result_bytes=content["max_result_bytes"],
        revision=revision,
        is_deleted=is_deleted,
    )


def profile_type_content(record: ProfileType) -> dict[str, Any]:
    """What a row of `profile_types` keeps of its record."""
    rates = RateLimits(record.rate_limit_per_minute, record.rate_limit_per_hour, record.rate_limit_per_day)
    profile = Profile(
        name=record.name,
        limits=EffectiveLimits(rates, record.priority, record.soft),
        description=record.description,
        query_kinds=tuple(record.query_kinds),
        indices=tuple(record.indices),
        max_result_bytes=record.max_result_bytes,
    )
    return profile.content()


def setting_record(key: str, content: Mapping[str, Any], revision: int, *, is_deleted: bool) -> Setting:
    """The record of a row of `settings`; one that was put back to its default has no value."""
    record = Setting(key=key, revision=revision, is_deleted=is_deleted)
    if is_deleted:
        return record
    value = content["value"]
    if isinstance(value, bool):
        record.bool_value = value
    elif isinstance(value, int):
        record.int_value = value
    else:
        record.string_value = value
    return record


def setting_content(record: Setting) -> dict[str, Any]:
    """What a row of `settings` keeps of its record, whether this version knows the setting or not."""
    kind = record.WhichOneof("value")
    return {"value": None if kind is None else getattr(record, kind)}


def index_record(name: str, content: Mapping[str, Any], revision: int, *, is_deleted: bool) -> Index:
    """The record of a row of `indices`."""
    return Index(
        name=name,
        description=content["description"],
        # The table keeps them in an order of its own.
        fields=[IndexField(name=field, type=kind) for field, kind in sorted(content["fields"].items())],
        revision=revision,
        is_deleted=is_deleted,
    )


def index_content(record: Index) -> dict[str, Any]:
    """What a row of `indices` keeps of its record."""
    fields = {field.name: field.type for field in record.fields}
    return AllowedIndex(record.name, record.description, fields).content()
