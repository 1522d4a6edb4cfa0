"""Marks API keys whose time is over, and forgets those that ended long ago."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from request_svc.usecases.api_key_rights import ApiKeyContext

KEPT_AFTER_THEIR_END: Final = timedelta(days=365)


async def clean_api_keys(context: ApiKeyContext) -> Mapping[str, int]:
    """How many were marked and how many forgotten. May run twice."""
    now = context.clock()
    async with context.database.transaction() as transaction:
        return {
            "ended_api_keys": await context.keys.mark_ended(transaction.connection, now),
            "forgotten_api_keys": await context.keys.forget(transaction.connection, now - KEPT_AFTER_THEIR_END),
        }
