"""Rehearsals in words: a line for each seed, what a restore may have cost, and what to do about a rule that broke."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from common.batches.steps import Step

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sandbox.rehearsal.rehearsed import Rehearsed
    from sandbox.rehearsal.run import Outcome

ENOUGH: Final = 20


def seed_lines(outcome: Outcome) -> Iterator[str]:
    """One seed."""
    again = f"airlock-sandbox rehearse --seed {outcome.seed} --days {outcome.days}"
    if outcome.rehearsed is None:
        yield f"seed {outcome.seed}: broke off; everything is in {outcome.folder}"
        yield from (f"    {line}" for line in outcome.fault.rstrip().splitlines()[-12:])
        yield f"    again: {again}"
        return
    rehearsed = outcome.rehearsed
    word = "ok" if outcome.good else "NOT GOOD"
    yield f"seed {outcome.seed}: {word}, {rehearsed.asked} requests: {_counts(rehearsed)} ({outcome.seconds:.1f} s)"
    for window in rehearsed.windows:
        yield (
            f"    the {window.side} database was set back: what was new there between {window.kept_until:%m-%d %H:%M} "
            f"and {window.lost_until:%m-%d %H:%M} may be gone"
        )
    if outcome.good:
        return
    yield from (f"    {text}" for text in rehearsed.findings.violations[:20])
    yield f"    logs and bundles are in {outcome.folder}"
    yield f"    again: {again}"


def summary_lines(outcomes: Sequence[Outcome], asked_for: int) -> Iterator[str]:
    """All seeds together, with everything that was done to them."""
    events: dict[str, int] = {}
    for outcome in outcomes:
        for what, times in (outcome.rehearsed.events if outcome.rehearsed else {}).items():
            events[what] = events.get(what, 0) + times
    yield "what happened: " + ", ".join(f"{what} {times}" for what, times in sorted(events.items()))
    idle = steps_that_killed_nobody(outcomes)
    if idle:
        yield f"no process died at {', '.join(idle)}: these rehearsals say nothing about that"
    good = sum(outcome.good for outcome in outcomes)
    yield f"{good} of {asked_for} rehearsals went well"


def steps_that_killed_nobody(outcomes: Sequence[Outcome]) -> list[Step]:
    """The named steps at which no process died in any of so many histories that it should have; none for a few."""
    if len(outcomes) < ENOUGH:
        return []
    happened = {what for outcome in outcomes if outcome.rehearsed for what in outcome.rehearsed.events}
    return [step for step in Step if f"killed at {step}" not in happened]


def _counts(rehearsed: Rehearsed) -> str:
    return ", ".join(f"{number} {what}" for what, number in sorted(rehearsed.findings.counts.items())) or "none"
