"""Holds every signed-in call against its caller's limits, and tells him with each answer how they stand."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from airlock.common.v1 import budget_pb2
from google.protobuf import descriptor_pool

from common.ratelimit.headers import rate_limit_headers
from common.ratelimit.user_limits import refusal
from common.rpc.answer_headers import set_answer_headers
from common.rpc.caller import current_caller, let_caller_spend
from common.rpc.wrapping import CallInterceptor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    import grpc
    from airlock.common.v1.budget_pb2 import Budget

    from common.auth.principal import Principal
    from common.ratelimit.user_limits import UserLimits


class RateLimitInterceptor(CallInterceptor):
    """Counts a call once, when it begins, whatever becomes of it: a refused body has cost work too."""

    def __init__(self, limits: UserLimits, services: Iterable[str]) -> None:
        """`services` are the full names of the services that this server offers."""
        self._limits = limits
        self._budgets = declared_budgets(services)

    @asynccontextmanager
    async def around(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[None]:
        """Refuses the call with RateLimitedError, or lets it through. One without a sign-in is not counted here."""
        principal = current_caller().principal
        if principal is not None:
            let_caller_spend(partial(self._spend, principal))
            budget = self._budgets[method]
            if budget != budget_pb2.BUDGET_NONE:
                await self._spend(principal, budget, 1)
        yield

    async def _spend(self, principal: Principal, budget: Budget.ValueType, cost: int) -> None:
        decision = await self._limits.spend(principal, budget, cost)
        set_answer_headers(rate_limit_headers(decision))
        if not decision.accepted:
            raise refusal(decision, budget)


def declared_budgets(services: Iterable[str]) -> Mapping[str, Budget.ValueType]:
    """The budget of each method, by its path, as its descriptor says; reads where it says nothing."""
    pool = descriptor_pool.Default()
    return {
        f"/{service}/{method.name}": method.GetOptions().Extensions[budget_pb2.budget] or budget_pb2.BUDGET_READS
        for service in services
        for method in pool.FindServiceByName(service).methods
    }
