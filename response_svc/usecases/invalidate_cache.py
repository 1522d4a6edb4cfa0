"""Forgetting kept answers, for an admin who knows that an index has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.audit.record import caller_entry, record
from response_svc.usecases.change_indices import check_exact_name, no_index

if TYPE_CHECKING:
    from common.rpc.caller import Caller
    from response_svc.ports import AnswerCache
    from response_svc.usecases.change_policy import PolicyContext


async def invalidate_cache(context: PolicyContext, cache: AnswerCache, index: str | None, *, caller: Caller) -> None:
    """No answer of `index`, or of any for None, that was kept so far is given again.

    Raises InvalidFieldError for a name that is not exact, NotFoundError for an index that never was in the catalogue,
    and UnavailableError if the cache does not answer: it may still hold them.
    """
    if index is not None:
        check_exact_name(index, field="index")
        async with context.database.transaction() as transaction:
            if await context.indices.find(transaction.connection, index) is None:
                raise no_index(index)
    await cache.forget(index)
    entry = caller_entry(caller, "cache.invalidated", resource_type="cache", resource_id=index)
    async with context.database.transaction() as transaction:
        await record(transaction.connection, entry)
