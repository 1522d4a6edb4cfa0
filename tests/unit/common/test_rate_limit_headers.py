"""What an answer says about its caller's limits."""

from __future__ import annotations

import pytest
from airlock.common.v1 import budget_pb2

from common.ratelimit.headers import rate_limit_headers
from common.ratelimit.user_limits import refusal
from common.ratelimit.windows import DAY, HOUR, MINUTE, Decision, Use, Window, entry_microseconds


def decision(*used: int, accepted: bool = True, soft_percent: int = 100, retry_after: float | None = None) -> Decision:
    windows = ((MINUTE, 10, 59.2), (HOUR, 100, 3000.0), (DAY, 500, 80_000.0))
    uses = tuple(
        Use(Window(seconds, limit, soft_percent), count, reset)
        for (seconds, limit, reset), count in zip(windows, used, strict=True)
    )
    return Decision(accepted=accepted, cost=1, uses=uses, retry_after=retry_after)


@pytest.mark.parametrize(
    ("used", "limit", "remaining", "reset"),
    [((1, 1, 1), "10", "9", "60"), ((1, 95, 95), "100", "5", "3000"), ((2, 20, 496), "500", "4", "80000")],
)
def test_the_window_with_the_fewest_calls_left_is_told(
    used: tuple[int, int, int], limit: str, remaining: str, reset: str
) -> None:
    headers = dict(rate_limit_headers(decision(*used)))
    assert headers["x-ratelimit-limit"] == limit
    assert headers["x-ratelimit-remaining"] == remaining
    assert headers["x-ratelimit-reset"] == reset
    assert headers["x-ratelimit-policy"] == "10;w=60, 100;w=3600, 500;w=86400"


@pytest.mark.parametrize(
    ("used", "warning"),
    [
        ((7, 79, 399), None),
        ((8, 8, 8), "8 of 10 calls in a minute are used"),
        ((1, 80, 80), "80 of 100 calls in an hour are used"),
        ((1, 1, 400), "400 of 500 calls in a day are used"),
    ],
)
def test_a_warning_comes_from_eighty_percent_of_any_window_on(used: tuple[int, int, int], warning: str | None) -> None:
    assert dict(rate_limit_headers(decision(*used))).get("x-ratelimit-warning") == warning


def test_every_header_is_ascii() -> None:
    for name, value in rate_limit_headers(decision(12, 12, 12, soft_percent=120)):
        assert (name + value).isascii()


def test_a_refusal_names_the_window_that_refused_and_not_one_that_is_only_beyond_its_soft_limit() -> None:
    refused = decision(12, 105, 105, accepted=False, soft_percent=120, retry_after=12.3)
    error = refusal(refused, budget_pb2.BUDGET_SUBMISSION)
    assert error.metadata == {"budget": "submissions", "window": "minute", "limit": "10"}
    assert "limit of 12 submissions in a minute is used up; try again in 13 s" in error.message
    assert error.retry_after_seconds == 12.3


def test_a_limit_is_one_call_at_least() -> None:
    with pytest.raises(ValueError, match="1 call at least"):
        Window(MINUTE, 0)


def test_a_soft_limit_is_rounded_down_and_never_below_the_limit() -> None:
    assert [Window(MINUTE, limit, 120).cap for limit in (1, 4, 5, 10, 99)] == [1, 4, 6, 12, 118]


@pytest.mark.parametrize(("limit", "soft_percent", "width"), [(100_000, 120, 0), (120_001, 100, 864_000)])
def test_calls_share_entries_only_beyond_the_exact_limits(limit: int, soft_percent: int, width: int) -> None:
    assert entry_microseconds((Window(MINUTE, 10), Window(DAY, limit, soft_percent))) == width
