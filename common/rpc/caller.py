"""Who and what the running call is, for handlers and logs: set by the interceptors, private to the call's own task."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import uuid4

from common.errors import CredentialsMissingError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from airlock.common.v1.budget_pb2 import Budget

    from common.auth.principal import Principal


async def _nothing_to_check() -> None:
    """Of a call without a sign-in."""


async def _nothing_to_spend(budget: Budget.ValueType, cost: int) -> None:
    """Of a call that nobody's limits are held against."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The call's origin. `address` is the client's IP address as Envoy saw it; `request_id` is a UUID's text."""

    request_id: str
    principal: Principal | None = None
    address: str | None = None
    user_agent: str | None = None
    check_session: Callable[[], Awaitable[object]] = _nothing_to_check
    """For calls that last: raises SessionEnded- or TokenExpiredError once the sign-in no longer counts."""
    spend: Callable[[Budget.ValueType, int], Awaitable[None]] = _nothing_to_spend
    """For methods that count their own parts: takes so much of a budget, or raises RateLimitedError."""


_caller: ContextVar[Caller | None] = ContextVar("airlock_caller", default=None)


def current_caller() -> Caller:
    """The running call's caller; outside a call (in a job) one with a fresh request id and nothing else."""
    caller = _caller.get()
    return caller if caller is not None else Caller(request_id=str(uuid4()))


def current_principal() -> Principal:
    """The signed-in caller. Raises CredentialsMissingError where nobody is signed in."""
    caller = _caller.get()
    if caller is None or caller.principal is None:
        raise CredentialsMissingError("Sign in first: send `authorization: Bearer <access token>`.")
    return caller.principal


def current_request_id() -> str:
    """The id under which the running call is logged, a UUID's text."""
    return current_caller().request_id


def set_caller(caller: Caller) -> None:
    """Makes `caller` the current one for the rest of the running task; for the interceptor that begins a call."""
    _caller.set(caller)


def sign_in_caller(principal: Principal, check_session: Callable[[], Awaitable[object]]) -> None:
    """Adds the verified principal to the running call; for the interceptor that checks tokens."""
    _caller.set(replace(current_caller(), principal=principal, check_session=check_session))


def let_caller_spend(spend: Callable[[Budget.ValueType, int], Awaitable[None]]) -> None:
    """Adds what counts against the caller's limits; for the interceptor that holds him to them."""
    _caller.set(replace(current_caller(), spend=spend))
