"""The gate before every look at a password: an attempt is counted first, and one too many is turned away unseen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.audit.record import caller_entry, record
from common.audit.tables import REFUSED
from common.auth.attempts import count_attempt, forgive_attempt, subjects_of
from common.errors import RateLimitedError

if TYPE_CHECKING:
    from datetime import timedelta

    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.audit.record import AuditEntry
    from common.auth.context import AuthContext
    from common.rpc.caller import Caller


async def begin_attempt(context: AuthContext, *, username: str, caller: Caller) -> None:
    """Counts an attempt in a short transaction of its own, so that of many made at once none slips through.

    Raises RateLimitedError, alike for names that exist and names that do not, while name or address is blocked.
    """
    rules, at = context.throttle(), context.clock()
    async with context.database.transaction() as transaction:
        connection = transaction.connection
        admission = await count_attempt(connection, subjects_of(username, caller.address), rules=rules, at=at)
        if admission.blocked:
            # Once for each block. Whoever is turned away meanwhile is told to the trail as any refused call.
            await record(connection, _throttled(username, admission.blocked, caller))
    if admission.wait:
        raise RateLimitedError(
            "Too many attempts with this name or from this address. Wait as long as `retry-after` says; meanwhile no"
            " password is looked at, the right one neither.",
            retry_after_seconds=admission.wait.total_seconds(),
        )


async def end_attempt(connection: AsyncConnection, context: AuthContext, *, username: str, caller: Caller) -> None:
    """After a right password, in the transaction of what it was given for: the attempt was no guess."""
    subjects = subjects_of(username, caller.address)
    await forgive_attempt(connection, subjects, rules=context.throttle())


def _throttled(username: str, blocked: timedelta, caller: Caller) -> AuditEntry:
    seconds = blocked.total_seconds()
    return caller_entry(
        caller,
        "auth.attempts_throttled",
        resource_type="session",
        metadata={"username": username, "seconds": seconds},
        outcome=REFUSED,
    )
