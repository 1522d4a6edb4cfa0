"""Which profile types can be: the rules that the admin's changes must keep."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from common.errors import FieldViolation, InvalidFieldError, WrongStateError
from common.policy.limits import EffectiveLimits, RateLimits
from common.policy.profile_type import EVERYTHING
from common.search.fields import nearest
from common.search.indices import index_name_defect
from common.search.kind import ALL_KINDS
from common.search.violations import shown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from common.policy.profile_type import ProfileType

NEVER_DELETED: Final = ("basic", "admin")
"""What users have who are given none, and what the admin has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileTypeChanges:
    """What to change; None leaves a field as it is. Names may come in any order and more than once."""

    description: str | None = None
    rate_limit_per_minute: int | None = None
    rate_limit_per_hour: int | None = None
    rate_limit_per_day: int | None = None
    priority: int | None = None
    soft: bool | None = None
    query_kinds: tuple[str, ...] | None = None
    indices: tuple[str, ...] | None = None
    max_result_bytes: int | None = None


def changed_profile_type(
    before: ProfileType, changes: ProfileTypeChanges, *, catalogue: Collection[str]
) -> ProfileType:
    """The profile type after the changes.

    Raises InvalidFieldError for limits that fall from minute to hour to day, for kinds that there are not, and for
    indices that are named anew and are not in the catalogue. One that was taken from the catalogue later may stay.
    """
    rates = before.limits.rates
    limits = EffectiveLimits(
        RateLimits(
            _chosen(changes.rate_limit_per_minute, rates.per_minute),
            _chosen(changes.rate_limit_per_hour, rates.per_hour),
            _chosen(changes.rate_limit_per_day, rates.per_day),
        ),
        _chosen(changes.priority, before.limits.priority),
        before.limits.soft if changes.soft is None else changes.soft,
    )
    after = replace(
        before,
        limits=limits,
        description=before.description if changes.description is None else changes.description,
        query_kinds=_in_order(changes.query_kinds, before.query_kinds),
        indices=_in_order(changes.indices, before.indices),
        max_result_bytes=_chosen(changes.max_result_bytes, before.max_result_bytes),
    )
    known = {*catalogue, *before.indices} - {*EVERYTHING}
    violations = [*_wrong_limits(after), *_wrong_kinds(after), *_wrong_indices(after, known)]
    if violations:
        first = violations[0]
        end = "" if first.description.endswith("?") else "."
        raise InvalidFieldError(f"{first.field} {first.description}{end}", violations=violations)
    return after


def check_deletable(name: str, users: int) -> None:
    """Raises WrongStateError for a profile type that must stay, or that so many users have."""
    if name in NEVER_DELETED:
        cause = f"The profile type {name} cannot be deleted; change it instead."
        raise WrongStateError(cause, metadata={"state": "permanent"})
    if users:
        who = "1 user has" if users == 1 else f"{users} users have"
        raise WrongStateError(
            f"{who} the profile type {name}, inactive ones included; give them another, then delete it.",
            metadata={"state": "in use", "users": str(users)},
        )


def _chosen(new: int | None, old: int) -> int:
    return old if new is None else new


def _in_order(new: tuple[str, ...] | None, old: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(set(new))) if new else old


def _wrong_limits(profile: ProfileType) -> Iterator[FieldViolation]:
    rates = profile.limits.rates
    if rates.per_minute > rates.per_hour:
        yield FieldViolation("rate_limit_per_hour", f"is {rates.per_hour}, less than the {rates.per_minute} a minute")
    if rates.per_hour > rates.per_day:
        yield FieldViolation("rate_limit_per_day", f"is {rates.per_day}, less than the {rates.per_hour} an hour")


def _wrong_kinds(profile: ProfileType) -> Iterator[FieldViolation]:
    if profile.query_kinds == EVERYTHING:
        return
    for kind in profile.query_kinds:
        if kind not in ALL_KINDS:
            yield FieldViolation("query_kinds", f"names {shown(kind)}, which is no kind; {_other(kind, ALL_KINDS)}")


def _wrong_indices(profile: ProfileType, known: Collection[str]) -> Iterator[FieldViolation]:
    if profile.indices == EVERYTHING:
        return
    for name in profile.indices:
        defect = index_name_defect(name)
        if defect is not None:
            yield FieldViolation("indices", f"names {shown(name)}, which {defect}; `*` alone is every allowed index")
        elif name not in known:
            advice = f"allow it first with POST /api/v1/admin/indices ({nearest(name, known)})"
            yield FieldViolation("indices", f"names {shown(name)}, which may not be searched; {advice}")


def _other(name: str, known: Collection[str]) -> str:
    return "`*` alone is all of them" if name == "*" else nearest(name, known)
