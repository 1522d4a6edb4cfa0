"""What an answer says about the caller's limits, in headers that programs and people can read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from common.ratelimit.windows import whole_seconds

if TYPE_CHECKING:
    from common.ratelimit.windows import Decision

LIMIT: Final = "x-ratelimit-limit"
REMAINING: Final = "x-ratelimit-remaining"
RESET: Final = "x-ratelimit-reset"
POLICY: Final = "x-ratelimit-policy"
WARNING: Final = "x-ratelimit-warning"
HEADERS: Final = (LIMIT, REMAINING, RESET, POLICY, WARNING)


def rate_limit_headers(decision: Decision) -> tuple[tuple[str, str], ...]:
    """The headers of the answer: limit, remaining and reset of the tightest window, and all windows in the policy."""
    tightest = decision.tightest
    shortest_first = sorted(decision.uses, key=lambda use: use.window.seconds)
    pairs = [
        (LIMIT, str(tightest.window.limit)),
        (REMAINING, str(tightest.remaining)),
        (RESET, str(whole_seconds(tightest.reset_after))),
        (POLICY, ", ".join(f"{use.window.limit};w={use.window.seconds}" for use in shortest_first)),
    ]
    if text := _warning(decision):
        pairs.append((WARNING, text))
    return tuple(pairs)


def _warning(decision: Decision) -> str | None:
    """Of the fullest window. ASCII, because HTTP's headers are."""
    fullest = decision.fullest
    if not fullest.is_nearly_full:
        return None
    window = fullest.window
    text = f"{fullest.used} of {window.limit} calls in {window.period} are used"
    if window.cap > window.limit:
        text += f"; up to {window.cap} are let through"
    return text
