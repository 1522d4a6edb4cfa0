"""Writing how an execution ended: the request's new state and, when that is final, its result."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from response_svc.domain.incoming_request import Answer, Failure, FailureReason, FinalEnd, RetryLater
from response_svc.ports import UnstorableAnswerError

if TYPE_CHECKING:
    from response_svc.domain.circuit import Sign
    from response_svc.domain.incoming_request import ClaimedRequest
    from response_svc.usecases.execute_next import ExecutionContext

UNSTORABLE = "The search engine's answer was no valid JSON."


@dataclass(frozen=True, slots=True)
class Ended:
    """How an execution ended, before it is written. `executed` is False for a request that never got that far.

    `sign` is what it told of the engine; None if it was not asked, or told nothing.
    """

    outcome: Answer | Failure | RetryLater
    milliseconds: int = 0
    query_params: bytes | None = None
    executed: bool = True
    sign: Sign | None = None


async def keep(context: ExecutionContext, claimed: ClaimedRequest, ended: Ended) -> str:
    """Writes the end, if the lease still holds, and names it: `completed`, a failure's reason, `retry` or `lost`."""
    try:
        return await written(context, claimed, ended)
    except UnstorableAnswerError:
        return await written(context, claimed, replace(ended, outcome=Failure(FailureReason.ENGINE_ERROR, UNSTORABLE)))


async def written(context: ExecutionContext, claimed: ClaimedRequest, ended: Ended) -> str:
    """`lost` if nothing was written. Raises UnstorableAnswerError."""
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
