"""Reads the fields of every allowed index from the search engine again, as a job does now and then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from common.errors import NotFoundError
from common.rpc.caller import current_caller
from response_svc.search.answers import EngineError
from response_svc.usecases.change_indices import keep_fields

if TYPE_CHECKING:
    from response_svc.ports import SearchEngine
    from response_svc.usecases.change_policy import PolicyContext

log = structlog.get_logger("response.policy")

PAGE = 50


async def refresh_indices(context: PolicyContext, engine: SearchEngine) -> dict[str, int]:
    """How many indices were read, changed and not readable. What cannot be read keeps the fields that it had."""
    counts = {"read": 0, "changed": 0, "unreadable": 0}
    after: str | None = None
    while True:
        async with context.database.transaction() as transaction:
            rows = await context.indices.page(transaction.connection, after=after, limit=PAGE)
        for row in rows:
            after = row.key
            try:
                fields = await engine.fields(row.key)
                _, changed = await keep_fields(context, row.key, fields, caller=current_caller())
            except EngineError as error:
                counts["unreadable"] += 1
                log.warning("fields_not_read", index=row.key, reason=error.message)
                if error.engine_away:
                    # The others would not be answered either.
                    return counts
                continue
            except NotFoundError:
                # It was disallowed meanwhile.
                continue
            counts["read"] += 1
            counts["changed"] += changed
        if len(rows) < PAGE:
            return counts
