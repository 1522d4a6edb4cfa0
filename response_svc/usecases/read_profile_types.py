"""Reading profile types: one, a page of them, and what one was before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from response_svc.usecases.change_profile_types import no_profile_type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from response_svc.domain.policy_row import PolicyRow, PolicyVersion
    from response_svc.usecases.change_policy import PolicyContext


async def get_profile_type(context: PolicyContext, name: str) -> PolicyRow:
    """One profile type. Raises NotFoundError."""
    async with context.database.transaction() as transaction:
        row = await context.profile_types.find(transaction.connection, name)
    if row is None or row.is_deleted:
        raise no_profile_type(name)
    return row


async def list_profile_types(
    context: PolicyContext, *, after: str | None, limit: int
) -> tuple[Sequence[PolicyRow], bool]:
    """Up to `limit` profile types in order of their names, those after the name `after`, and whether there are more."""
    async with context.database.transaction() as transaction:
        rows = await context.profile_types.page(transaction.connection, after=after, limit=limit + 1)
    return rows[:limit], len(rows) > limit


async def list_profile_type_versions(
    context: PolicyContext, name: str, *, before: int | None, limit: int
) -> tuple[Sequence[PolicyVersion], bool]:
    """Up to `limit` versions, the newest first, and whether there are more. Raises NotFoundError if it never was."""
    async with context.database.transaction() as transaction:
        connection = transaction.connection
        found = await context.profile_types.versions(connection, name, before=before, limit=limit + 1)
        if not found and await context.profile_types.find(connection, name) is None:
            raise no_profile_type(name)
    return found[:limit], len(found) > limit
