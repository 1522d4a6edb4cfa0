"""Holding a lease while a request is executed: renewing it, and letting go when somebody else ends the request."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, TypeVar

import structlog

from common.cancellation import cancel_and_wait

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from response_svc.domain.incoming_request import ClaimedRequest
    from response_svc.usecases.execute_next import ExecutionContext

log = structlog.get_logger("response.execution")

Result = TypeVar("Result")

RENEWALS_PER_LEASE: Final = 3


class Interruptions:
    """Tells the executions of this process that a request which one of them may be running was ended.

    Nobody relies on it: whoever hears nothing notices when he renews his lease.
    """

    def __init__(self) -> None:
        self._heard: set[asyncio.Future[None]] = set()

    def wake(self) -> None:
        """Lets each execution look whether its request is still its own."""
        heard, self._heard = self._heard, set()
        for future in heard:
            if not future.done():
                future.set_result(None)

    def next(self) -> asyncio.Future[None]:
        """Done at the next `wake`. To be given to `forget` in any case."""
        future = asyncio.get_running_loop().create_future()
        self._heard.add(future)
        return future

    def forget(self, future: asyncio.Future[None]) -> None:
        """Nobody waits for it any more."""
        self._heard.discard(future)


async def under_lease(
    context: ExecutionContext, claimed: ClaimedRequest, execution: Coroutine[Any, Any, Result]
) -> Result | None:
    """What `execution` gives, while the lease is renewed; None, and it is ended, once the request is not ours."""
    work = asyncio.create_task(execution)
    pause = context.lease.total_seconds() / RENEWALS_PER_LEASE
    heard = context.interruptions.next()
    try:
        while True:
            awaited: set[asyncio.Future[Any]] = {work, heard}
            await asyncio.wait(awaited, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            if heard.done():
                heard = context.interruptions.next()
            if not await renewed(context, claimed):
                return None
    finally:
        context.interruptions.forget(heard)
        await cancel_and_wait(work)


async def renewed(context: ExecutionContext, claimed: ClaimedRequest) -> bool:
    """Whether the request is still ours. A database that is away for a moment does not decide it."""
    try:
        async with context.database.transaction() as transaction:
            return await context.queue.renew_lease(transaction.connection, claimed, lease=context.lease)
    except Exception:
        log.warning("lease_not_renewed", exc_info=True)
        return True
