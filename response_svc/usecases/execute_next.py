"""Executing the best waiting request under a lease: claim, check, ask the cache or the engine, keep the end."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from common.batches.steps import Step
from common.clock import now
from common.search.emit import emit_body
from response_svc.domain.circuit import Sign
from response_svc.domain.incoming_request import (
    EXPIRED_WHILE_RUNNING,
    MAX_RETRIES,
    Answer,
    ClaimedRequest,
    Failure,
    FailureReason,
    RetryLater,
    after_passing_fault,
    bounded,
)
from response_svc.search.answers import (
    EngineError,
    EngineOverloadedError,
    EngineTimeoutError,
    PartialResultError,
    ResultTooLargeError,
)
from response_svc.usecases.answer_search import Answering, answer
from response_svc.usecases.check_request import check_request
from response_svc.usecases.hold_lease import Interruptions, under_lease
from response_svc.usecases.keep_outcome import Ended, keep

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    from common.database.transaction import Database
    from response_svc.domain.question import Question
    from response_svc.domain.user import User
    from response_svc.ports import CurrentPolicy, EndWriter, RequestQueue
    from response_svc.usecases.claim_requests import Claims

log = structlog.get_logger("response.execution")

REASONS: dict[type[EngineError], FailureReason] = {
    EngineTimeoutError: FailureReason.TIMEOUT,
    PartialResultError: FailureReason.PARTIAL_RESULT,
    ResultTooLargeError: FailureReason.RESULT_TOO_LARGE,
}
UNFORESEEN = "The execution failed in a way that was not foreseen; the log of the Response Network has it."


@dataclass(frozen=True, slots=True)
class ExecutionContext:
    """What execution works with. `jitter` gives random numbers in [0, 1)."""

    database: Database
    queue: RequestQueue
    claims: Claims
    ends: EndWriter
    answering: Answering
    policy: CurrentPolicy
    jitter: Callable[[], float]
    steps: Callable[[Step], None]
    lease: timedelta = timedelta(seconds=60)
    first_retry: timedelta = timedelta(seconds=5)
    clock: Callable[[], datetime] = field(default=now)
    interruptions: Interruptions = field(default_factory=Interruptions)


@dataclass(frozen=True, slots=True)
class Execution:
    """What became of one claim: `completed`, a failure's reason, `retry`, or `lost` when another ended the request.

    `sign` is what it told of the search engine.
    """

    request_id: UUID
    outcome: str
    sign: Sign | None = None


async def execute_next(context: ExecutionContext) -> Execution | None:
    """Claims and ends one request; None when none waits. What it was doing is taken up again if the process dies."""
    claim = await context.claims.next()
    if claim is None:
        return None
    claimed = claim.request
    context.steps(Step.EXECUTE_CLAIMED)
    try:
        ended = await under_lease(context, claimed, execute(context, claimed, claim.user))
    except asyncio.CancelledError:
        await asyncio.shield(context.claims.give_back(claimed))
        raise
    context.steps(Step.EXECUTE_ANSWERED)
    outcome = await keep(context, claimed, ended) if ended is not None else "lost"
    context.steps(Step.EXECUTE_STORED)
    log.info(
        "request_executed",
        incoming_request_id=str(claimed.request_id),
        request_id=claimed.trace_id or None,
        outcome=outcome,
        duration_ms=ended.milliseconds if ended is not None else None,
    )
    return Execution(claimed.request_id, outcome, ended.sign if ended is not None else None)


async def execute(context: ExecutionContext, claimed: ClaimedRequest, user: User | None) -> Ended:
    """Checks the request again by our own rules and asks the cache or the engine."""
    if claimed.executions > MAX_RETRIES + 1:
        message = f"Its executor was lost {claimed.executions - 1} times while it ran; it is not tried again."
        return Ended(Failure(FailureReason.ENGINE_ERROR, message), executed=False)
    started = time.monotonic()
    outcome: Answer | Failure | RetryLater
    query_params, sign = None, None
    try:
        question = check_request(claimed, user, context.policy.current, context.clock())
        if isinstance(question, Failure):
            return Ended(question, executed=False)
        query_params = emit_body(question.search)
        outcome = await answer_in_time(context, claimed, question)
        sign = Sign.ANSWERED if isinstance(outcome, Answer) and not outcome.cache_hit else None
    except EngineError as error:
        outcome = after_engine_error(context, claimed, error)
        sign = sign_of(error)
    except Exception:
        log.exception("execution_failed", incoming_request_id=str(claimed.request_id))
        outcome = after_fault(context, claimed, FailureReason.ENGINE_ERROR, UNFORESEEN)
    milliseconds = round((time.monotonic() - started) * 1000)
    return Ended(outcome, milliseconds, query_params, sign=sign)


async def answer_in_time(context: ExecutionContext, claimed: ClaimedRequest, question: Question) -> Answer | Failure:
    """The answer, or that the request's own time was over before it came. Raises EngineError."""
    left = (claimed.not_after - context.clock()).total_seconds() if claimed.not_after is not None else None
    try:
        async with asyncio.timeout(left) as over:
            return await answer(context.answering, question, accept_partial=claimed.accept_partial)
    except TimeoutError:
        if not over.expired():
            raise
        return Failure(FailureReason.EXPIRED, EXPIRED_WHILE_RUNNING)


def sign_of(error: EngineError) -> Sign | None:
    """What an error tells of the engine as a whole; None for one of this search or its index alone, or of another's."""
    if error.shared:
        return None
    if isinstance(error, EngineOverloadedError):
        return Sign.OVERLOADED
    if error.engine_away:
        return Sign.AWAY
    if isinstance(error, EngineTimeoutError):
        return Sign.LATE
    return None if error.may_pass else Sign.ANSWERED


def after_engine_error(context: ExecutionContext, claimed: ClaimedRequest, error: EngineError) -> Failure | RetryLater:
    """What follows the engine's error: another attempt if it may pass, else the end."""
    reason = REASONS.get(type(error), FailureReason.ENGINE_ERROR)
    if error.may_pass:
        return after_fault(context, claimed, reason, error.message)
    return Failure(reason, bounded(error.message))


def after_fault(
    context: ExecutionContext, claimed: ClaimedRequest, reason: FailureReason, message: str
) -> Failure | RetryLater:
    """What follows a fault that may pass."""
    return after_passing_fault(
        reason, message, executions=claimed.executions, first_delay=context.first_retry, jitter=context.jitter()
    )
