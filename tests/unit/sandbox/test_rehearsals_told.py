"""What a seed stands for, and what many rehearsals say of themselves."""

from __future__ import annotations

import random

from common.batches.steps import Step
from sandbox.rehearsal.drawing import below, drawer
from sandbox.rehearsal.history import EXECUTING, EXPORTING, IMPORTING
from sandbox.rehearsal.invariants import Findings
from sandbox.rehearsal.rehearsed import Rehearsed
from sandbox.rehearsal.run import Outcome
from sandbox.rehearsal.telling import ENOUGH, steps_that_killed_nobody, summary_lines


def told(events: dict[str, int], seeds: int = ENOUGH) -> list[Outcome]:
    return [Outcome(seed, 7, 1.0, Rehearsed(seed, 7, Findings(), [], 3, events)) for seed in range(seeds)]


def test_a_seed_draws_the_same_for_a_subject_and_something_else_for_another() -> None:
    first, again, other = drawer(7, "courier"), drawer(7, "courier"), drawer(7, "days")
    draws = [first.random() for _ in range(5)]
    assert draws == [again.random() for _ in range(5)]
    assert draws != [other.random() for _ in range(5)]


def test_a_number_below_any_limit_takes_one_draw() -> None:
    """The length of a file may differ between runs; what is drawn after it may not."""
    for limit in (1, 2, 3, 100, 377, 378, 2**20 + 1):
        one, two = random.Random(limit), random.Random(limit)
        assert 0 <= below(one, limit) < limit
        two.random()
        assert one.random() == two.random()


def test_every_named_step_belongs_to_a_job_that_may_die_there() -> None:
    assert {*EXPORTING, *IMPORTING, *EXECUTING} == set(Step)


def test_many_rehearsals_in_which_a_step_killed_nobody_say_so() -> None:
    everywhere = {f"killed at {step}": 1 for step in Step}
    assert steps_that_killed_nobody(told(everywhere)) == []
    del everywhere["killed at rename"]
    assert steps_that_killed_nobody(told(everywhere)) == [Step.RENAME]
    assert any("no process died at rename" in line for line in summary_lines(told(everywhere), ENOUGH))
    assert steps_that_killed_nobody(told(everywhere, seeds=ENOUGH - 1)) == [], "a few prove nothing either way"
