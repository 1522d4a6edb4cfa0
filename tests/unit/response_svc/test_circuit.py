"""When the search engine is asked, by the rules alone."""

from __future__ import annotations

import pytest

from response_svc.domain.circuit import (
    LONGEST_PAUSE_SECONDS,
    Circuit,
    CircuitState,
    Sign,
    after_check,
    after_sign,
    closed,
)

ALL = closed(8)


def signs(circuit: Circuit, *given: Sign | None, now: float = 100.0, jitter: float = 0.0) -> Circuit:
    for sign in given:
        circuit = after_sign(circuit, sign, now=now, jitter=jitter)
    return circuit


@pytest.mark.parametrize("sign", [Sign.ANSWERED, Sign.LATE, None])
def test_what_concerns_one_search_leaves_all_as_it_is(sign: Sign | None) -> None:
    assert signs(ALL, *[sign] * 20) == ALL


def test_an_engine_that_is_away_is_left_alone_for_a_second() -> None:
    opened = signs(ALL, Sign.AWAY)
    assert (opened.state, opened.at_once) == (CircuitState.OPEN, 0)
    assert opened.pause_left(100.0) == 1.0
    assert opened.pause_left(101.0) == 0.0


def test_what_was_under_way_when_it_went_away_tells_nothing_new() -> None:
    opened = signs(ALL, Sign.AWAY)
    assert signs(opened, Sign.AWAY, Sign.ANSWERED, Sign.OVERLOADED, Sign.AWAY, now=100.5) == opened


def test_pauses_grow_up_to_a_bound() -> None:
    circuit, now, pauses = signs(ALL, Sign.AWAY), 100.0, []
    for _ in range(1100):
        pauses.append(circuit.pause_left(now))
        now = circuit.not_before
        circuit = after_check(circuit, reachable=False, now=now, jitter=0.0)
    assert pauses[:7] == pytest.approx([1, 2, 4, 8, 16, 30, 30])
    assert max(pauses) <= LONGEST_PAUSE_SECONDS + 1e-6


@pytest.mark.parametrize(("jitter", "pause"), [(0.0, 1.0), (0.5, 0.75), (0.999, 0.5005)])
def test_processes_do_not_ask_in_step(jitter: float, pause: float) -> None:
    assert signs(ALL, Sign.AWAY, jitter=jitter).pause_left(100.0) == pytest.approx(pause)


def test_one_search_tries_whether_an_engine_that_is_there_also_answers() -> None:
    half = after_check(signs(ALL, Sign.AWAY), reachable=True, now=102.0, jitter=0.0)
    assert (half.state, half.at_once) == (CircuitState.HALF_OPEN, 1)
    assert signs(half, None, Sign.LATE, now=102.0) == half, "it told nothing"
    assert signs(half, Sign.ANSWERED, now=102.0) == ALL
    again = signs(half, Sign.AWAY, now=102.0)
    assert (again.state, again.pause_left(102.0)) == (CircuitState.OPEN, 2.0)


def test_an_overloaded_engine_is_asked_by_half_after_a_pause() -> None:
    slowed = signs(ALL, Sign.OVERLOADED)
    assert (slowed.state, slowed.at_once, slowed.pause_left(100.0)) == (CircuitState.SLOWED, 4, 1.0)
    assert signs(slowed, Sign.OVERLOADED, Sign.ANSWERED, now=100.5) == slowed, "they were under way together"
    for at_once in (2, 1, 1, 1):
        slowed = signs(slowed, Sign.OVERLOADED, now=slowed.not_before)
        assert slowed.at_once == at_once
    assert slowed.not_before > 100 + 1 + 2 + 4 + 8


def test_each_answer_lets_one_more_at_an_overloaded_engine_until_all_are_back() -> None:
    slowed = signs(ALL, Sign.OVERLOADED)
    assert [signs(slowed, *[Sign.ANSWERED] * answers, now=101.0).at_once for answers in range(5)] == [4, 5, 6, 7, 8]
    assert signs(slowed, *[Sign.ANSWERED] * 4, now=101.0) == ALL


def test_a_slowed_engine_that_goes_away_is_left_alone() -> None:
    assert signs(signs(ALL, Sign.OVERLOADED), Sign.AWAY, now=105.0).state is CircuitState.OPEN


def test_a_single_executor_is_never_slowed_to_none() -> None:
    slowed = signs(closed(1), Sign.OVERLOADED)
    assert slowed.at_once == 1
    assert signs(slowed, Sign.ANSWERED, now=101.0) == closed(1)
