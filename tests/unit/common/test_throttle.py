"""How long the next look at a password has to wait, as pure rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from common.auth.attempts import subjects_of
from common.auth.names import folded
from common.auth.throttle import Count, ThrottleRules, expires_at, with_attempt, without_attempt

START = datetime(2026, 3, 1, 8, tzinfo=UTC)
RULES = ThrottleRules(
    free_attempts_per_name=3,
    free_attempts_per_address=50,
    first_delay=timedelta(seconds=1),
    longest_delay=timedelta(seconds=60),
    window=timedelta(minutes=15),
)


def after(attempts: int, *, at: datetime = START) -> Count:
    count = None
    for _ in range(attempts):
        count = with_attempt(count, at, free=3, rules=RULES)
    assert count is not None
    return count


def seconds_to_wait(attempts: int) -> float:
    return after(attempts).wait(START, RULES).total_seconds()


def test_some_attempts_are_free_and_then_the_delay_doubles_up_to_the_longest() -> None:
    assert [seconds_to_wait(n) for n in range(1, 11)] == [0, 0, 1, 2, 4, 8, 16, 32, 60, 60]
    assert seconds_to_wait(200) == 60


def test_who_has_waited_need_not_wait_again() -> None:
    count = after(4)
    assert count.wait(START + timedelta(seconds=1.5), RULES) == timedelta(seconds=0.5)
    assert count.wait(START + timedelta(seconds=2), RULES) == timedelta(0)


def test_a_new_window_begins_at_nothing() -> None:
    count = with_attempt(after(9), START + RULES.window, free=3, rules=RULES)
    assert (count.attempts, count.blocked_until) == (1, None)


def test_a_clock_a_little_behind_forgets_nothing() -> None:
    assert with_attempt(after(2), START - timedelta(seconds=3), free=3, rules=RULES).attempts == 3


def test_a_clock_that_was_set_back_blocks_nobody_for_long() -> None:
    tomorrow = after(20, at=START + timedelta(days=1))
    assert tomorrow.wait(START, RULES) == timedelta(0)
    assert with_attempt(tomorrow, START, free=3, rules=RULES).attempts == 1


def test_an_honest_attempt_is_taken_back_and_the_guesses_before_it_are_not() -> None:
    assert without_attempt(after(3), free=3).blocked_until is None
    guessed = without_attempt(after(5), free=3)
    assert (guessed.attempts, guessed.blocked_until) == (4, after(5).blocked_until)


def test_a_count_is_kept_as_long_as_it_says_something() -> None:
    assert expires_at(after(1), RULES) == START + RULES.window
    late = with_attempt(after(8), START + RULES.window - timedelta(seconds=1), free=3, rules=RULES)
    assert expires_at(late, RULES) == late.blocked_until


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
    ],
)
def test_addresses_of_one_subscriber_are_one(one: str, other: str) -> None:
    assert subjects_of("sara", one) == subjects_of("sara", other)


def test_other_addresses_are_counted_apart_and_what_is_none_is_not_counted() -> None:
    assert subjects_of("sara", "2001:db8:1:2::1") != subjects_of("sara", "2001:db8:1:3::1")
    assert subjects_of("sara", "192.0.2.7") != subjects_of("sara", "192.0.2.8")
    assert subjects_of("sara", None) == subjects_of("sara", "no address")
    assert len(subjects_of("sara", None)) == 1


FULL_WIDTH = "".join(chr(ord(letter) + 0xFEE0) for letter in "ADMIN")


@pytest.mark.parametrize("name", ["admin", "ADMIN", FULL_WIDTH, "\N{MATHEMATICAL BOLD SMALL A}dmin"])
def test_names_in_other_widths_and_cases_are_one_name(name: str) -> None:
    assert folded(name) == "admin"
    assert subjects_of(name, None) == subjects_of("admin", None)


@pytest.mark.parametrize("name", ["\N{CYRILLIC SMALL LETTER A}dmin", "adm\N{LATIN SMALL LETTER DOTLESS I}n", "admin "])
def test_letters_of_other_alphabets_are_not_taken_for_latin_ones(name: str) -> None:
    assert folded(name) != "admin"
