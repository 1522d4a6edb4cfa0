"""What is said when some of several questions are wrong: one refusal that names each of them by its position."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final

from common.errors import (
    AirlockError,
    FieldViolation,
    IdempotencyConflictError,
    IndexNotAllowedError,
    PermissionMissingError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_VIOLATIONS: Final = 32
"""How many violations are named in all; the metadata name every wrong position."""
_ABOUT: Final[Mapping[type[AirlockError], str]] = {
    IdempotencyConflictError: "idempotency_key",
    IndexNotAllowedError: "index",
    PermissionMissingError: "priority",
}
"""The option that a refusal without violations is about."""


def batch_refusal(refused: Mapping[int, AirlockError], count: int) -> AirlockError:
    """The refusal of `count` questions, of which those at the positions `refused` (one at least) are wrong.

    It is of the kind of the first one's; each violation says its own question's reason.
    """
    first = refused[min(refused)]
    some = f"{len(refused)} of {count} questions are" if len(refused) > 1 else f"1 of {count} questions is"
    return type(first)(
        f"{some} refused, so none was stored. requests[{min(refused)}]: {first.message}",
        metadata={**first.metadata, "refused": _ranges(sorted(refused))},
        violations=list(_violations(refused)),
        retry_after_seconds=first.retry_after_seconds,
    )


def _violations(refused: Mapping[int, AirlockError]) -> Iterator[FieldViolation]:
    """First one of each question, then what else is wrong with each, as far as there is room."""
    each = {position: _of_one(position, refused[position]) for position in sorted(refused)}
    firsts = [violations[0] for violations in each.values()]
    others = [violation for violations in each.values() for violation in violations[1:]]
    yield from [*firsts, *others][:MAX_VIOLATIONS]


def _of_one(position: int, error: AirlockError) -> list[FieldViolation]:
    place = f"requests[{position}]"
    if not error.violations:
        return [FieldViolation(f"{place}.{_ABOUT.get(type(error), 'body')}", error.message, error.reason)]
    return [FieldViolation(f"{place}.{one.field}", one.description, error.reason) for one in error.violations]


def _ranges(positions: list[int]) -> str:
    """Numbers in order in short, as `0-4,7`."""
    runs = []
    for _, grouped in groupby(enumerate(positions), key=lambda pair: pair[1] - pair[0]):
        run = [position for _, position in grouped]
        runs.append(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}")
    return ",".join(runs)
