"""Executing the best waiting request under a lease: claim, check, ask the cache or the engine, keep the end."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from common.batches.steps import Step
from common.cancellation import cancel_and_wait
from common.clock import now
from common.search.emit import emit_body
from response_svc.domain.incoming_request import (
    MAX_RETRIES,
    Answer,
    ClaimedRequest,
    Failure,
    FailureReason,
    FinalEnd,
    RetryLater,
    after_passing_fault,
    bounded,
)
from response_svc.ports import CurrentPolicy, UnstorableAnswerError
from response_svc.search.answers import (
    EngineError,
    EngineTimeoutError,
    PartialResultError,
    ResultTooLargeError,
)
from response_svc.usecases.answer_search import Answering, answer
from response_svc.usecases.check_request import check_request
from transfer.bundle.limits import MAX_RESULT

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    from common.database.transaction import Database
    from common.policy.policy import Policy
    from response_svc.domain.user import User
    from response_svc.ports import EndWriter, RequestQueue, UserStore

log = structlog.get_logger("response.execution")

RENEWALS_PER_LEASE = 3

REASONS: dict[type[EngineError], FailureReason] = {
    EngineTimeoutError: FailureReason.TIMEOUT,
    PartialResultError: FailureReason.PARTIAL_RESULT,
    ResultTooLargeError: FailureReason.RESULT_TOO_LARGE,
}
UNSTORABLE = "The search engine's answer was no valid JSON."
UNFORESEEN = "The execution failed in a way that was not foreseen; the log of the Response Network has it."


@dataclass(frozen=True, slots=True)
class ExecutionContext:
    """What execution works with. `worker` names this process, `jitter` gives random numbers in [0, 1)."""

    database: Database
    queue: RequestQueue
    users: UserStore
    ends: EndWriter
    answering: Answering
    policy: CurrentPolicy
    worker: str
    jitter: Callable[[], float]
    steps: Callable[[Step], None]
    lease: timedelta = timedelta(seconds=60)
    first_retry: timedelta = timedelta(seconds=5)
    clock: Callable[[], datetime] = field(default=now)


@dataclass(frozen=True, slots=True)
class Execution:
    """What became of one claim: `completed`, a failure's reason, `retry`, or `lost` when another ended the request."""

    request_id: UUID
    outcome: str
    engine_away: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """How an execution ended, before it is written. `executed` is False for a request that never got that far."""

    outcome: Answer | Failure | RetryLater
    milliseconds: int = 0
    query_params: bytes | None = None
    executed: bool = True
    engine_away: bool = False


async def execute_next(context: ExecutionContext) -> Execution | None:
    """Claims and ends one request; None when none waits. What it was doing is taken up again if the process dies."""
    claimed, user = await claim(context)
    if claimed is None:
        return None
    context.steps(Step.EXECUTE_CLAIMED)
    try:
        ended = await under_lease(context, claimed, user)
    except asyncio.CancelledError:
        await asyncio.shield(give_back(context, claimed))
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
    return Execution(claimed.request_id, outcome, engine_away=ended is not None and ended.engine_away)


async def claim(context: ExecutionContext) -> tuple[ClaimedRequest | None, User | None]:
    """The best waiting request under a fresh lease, and the user who asks."""
    async with context.database.transaction() as transaction:
        connection = transaction.connection
        claimed = await context.queue.claim_best(connection, worker=context.worker, lease=context.lease)
        user = await context.users.find(connection, claimed.user_id) if claimed is not None else None
    return claimed, user


async def under_lease(context: ExecutionContext, claimed: ClaimedRequest, user: User | None) -> Ended | None:
    """Executes while the lease is renewed; None once it is lost or the request was cancelled."""
    work = asyncio.create_task(execute(context, claimed, user))
    pause = context.lease.total_seconds() / RENEWALS_PER_LEASE
    try:
        while True:
            done, _ = await asyncio.wait({work}, timeout=pause)
            if done:
                return work.result()
            if not await renewed(context, claimed):
                return None
    finally:
        await cancel_and_wait(work)


async def renewed(context: ExecutionContext, claimed: ClaimedRequest) -> bool:
    """Whether the request is still ours. A database that is away for a moment does not decide it."""
    try:
        async with context.database.transaction() as transaction:
            return await context.queue.renew_lease(transaction.connection, claimed, lease=context.lease)
    except Exception:
        log.warning("lease_not_renewed", exc_info=True)
        return True


async def execute(context: ExecutionContext, claimed: ClaimedRequest, user: User | None) -> Ended:
    """Checks the request again by our own rules and asks the cache or the engine."""
    if claimed.executions > MAX_RETRIES + 1:
        message = f"Its executor was lost {claimed.executions - 1} times while it ran; it is not tried again."
        return Ended(Failure(FailureReason.ENGINE_ERROR, message), executed=False)
    started = time.monotonic()
    outcome: Answer | Failure | RetryLater
    query_params, engine_away = None, False
    try:
        policy = context.policy.current
        search = check_request(claimed, user, policy, context.clock())
        if isinstance(search, Failure):
            return Ended(search, executed=False)
        query_params = emit_body(search)
        outcome = await answer(
            context.answering,
            claimed.index,
            search,
            max_bytes=longest_answer(policy, user),
            accept_partial=claimed.accept_partial,
        )
    except EngineError as error:
        outcome = after_engine_error(context, claimed, error)
        engine_away = error.engine_away
    except Exception:
        log.exception("execution_failed", incoming_request_id=str(claimed.request_id))
        outcome = after_fault(context, claimed, FailureReason.ENGINE_ERROR, UNFORESEEN)
    milliseconds = round((time.monotonic() - started) * 1000)
    return Ended(outcome, milliseconds, query_params, engine_away=engine_away)


def longest_answer(policy: Policy, user: User | None) -> int:
    """How many bytes an answer for the user may have by his profile type."""
    profile = policy.profile_types.get(user.profile_type) if user is not None else None
    return profile.max_result_bytes if profile is not None else MAX_RESULT


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


async def keep(context: ExecutionContext, claimed: ClaimedRequest, ended: Ended) -> str:
    """Writes the end in one transaction, if the lease still holds, and names it."""
    try:
        return await written(context, claimed, ended)
    except UnstorableAnswerError:
        failure = Failure(FailureReason.ENGINE_ERROR, UNSTORABLE)
        return await written(context, claimed, Ended(failure, ended.milliseconds, ended.query_params))


async def written(context: ExecutionContext, claimed: ClaimedRequest, ended: Ended) -> str:
    """The request's new state and, when that is final, its result; `lost` if nothing was written."""
    outcome = ended.outcome
    if isinstance(outcome, RetryLater):
        async with context.database.transaction() as transaction:
            later = await context.queue.retry_later(transaction.connection, claimed, outcome)
        return "retry" if later else "lost"
    executions = claimed.executions if ended.executed else claimed.executions - 1
    end = FinalEnd(claimed, outcome, ended.milliseconds, executions, ended.query_params)
    if not await context.ends.write(end):
        return "lost"
    return "completed" if isinstance(outcome, Answer) else outcome.reason.value


async def give_back(context: ExecutionContext, claimed: ClaimedRequest) -> None:
    """Returns the request to the queue at once, for a worker that is told to stop."""
    async with context.database.transaction() as transaction:
        await context.queue.give_back(transaction.connection, claimed)
