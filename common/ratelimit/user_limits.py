"""Holds a signed-in caller to the limits that his profile type or he himself has, by the policy as it is now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from airlock.common.v1 import budget_pb2

from common import metrics
from common.errors import RateLimitedError
from common.ratelimit.windows import DAY, HOUR, MINUTE, Window, whole_seconds

if TYPE_CHECKING:
    from airlock.common.v1.budget_pb2 import Budget

    from common.auth.principal import Principal
    from common.policy.live import LivePolicy
    from common.ratelimit.limiter import RateLimiter
    from common.ratelimit.windows import Decision

_NAMES: Final = {budget_pb2.BUDGET_READS: "reads", budget_pb2.BUDGET_SUBMISSION: "submissions"}
_COUNTED: Final = {budget_pb2.BUDGET_READS: "calls", budget_pb2.BUDGET_SUBMISSION: "submissions"}


class UserLimits:
    """Two budgets for each user: submissions in three windows, and everything else in the minute alone."""

    def __init__(self, limiter: RateLimiter, policy: LivePolicy) -> None:
        self._limiter = limiter
        self._policy = policy

    async def spend(self, principal: Principal, budget: Budget.ValueType, cost: int = 1) -> Decision:
        """Counts `cost` against one of the caller's budgets, or decides to refuse it."""
        key = f"rate_limit:{principal.user_id}"
        if budget == budget_pb2.BUDGET_READS:
            key += ":reads"
        decision = await self._limiter.take(key, self._windows(principal, budget), cost)
        metrics.RATE_LIMIT_TOTAL.labels(_NAMES[budget], decision.outcome).inc()
        if decision.local:
            metrics.RATE_LIMIT_LOCAL.labels(_NAMES[budget]).inc()
        return decision

    async def close(self) -> None:
        """Closes the connection to Redis."""
        await self._limiter.close()

    def _windows(self, principal: Principal, budget: Budget.ValueType) -> tuple[Window, ...]:
        limits, policy = self._policy.limits_of(principal), self._policy.current
        rates = limits.rates
        soft_percent = policy.number("rate.soft_percent") if limits.soft else 100
        warning_percent = policy.number("rate.warning_percent")
        if budget == budget_pb2.BUDGET_READS:
            numbers = [(MINUTE, rates.per_minute * policy.number("rate.reads_per_submission"))]
        else:
            numbers = [(MINUTE, rates.per_minute), (HOUR, rates.per_hour), (DAY, rates.per_day)]
        return tuple(Window(seconds, limit, soft_percent, warning_percent) for seconds, limit in numbers)


def refusal(decision: Decision, budget: Budget.ValueType) -> RateLimitedError:
    """What the caller of a refused call is told."""
    window, counted = decision.tightest.window, _COUNTED[budget]
    if decision.retry_after is None:
        window = min((use.window for use in decision.uses), key=lambda one: one.cap)
        message = (
            f"This call counts as {decision.cost} {counted}, and {window.cap} in {window.period} are allowed; "
            "send fewer at once."
        )
    else:
        seconds = whole_seconds(decision.retry_after)
        message = (
            f"Your limit of {window.cap} {counted} in {window.period} is used up; try again in {seconds} s. "
            "An administrator can give you a higher one."
        )
    return RateLimitedError(
        message,
        metadata={"budget": _NAMES[budget], "window": window.name, "limit": str(window.limit)},
        retry_after_seconds=decision.retry_after,
    )
