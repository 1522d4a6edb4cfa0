"""Reading the catalogue of indices: one as it is or was, a page of them, and what one was before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.errors import NotFoundError
from common.search.violations import shown
from response_svc.domain.policy_row import PolicyRow
from response_svc.usecases.change_indices import RESOURCE, no_index

if TYPE_CHECKING:
    from collections.abc import Sequence

    from response_svc.domain.policy_row import PolicyVersion
    from response_svc.usecases.change_policy import PolicyContext


async def get_index(context: PolicyContext, name: str, *, revision: int | None) -> PolicyRow:
    """One allowed index, or what it was after an earlier change. Raises NotFoundError."""
    async with context.database.transaction() as transaction:
        connection = transaction.connection
        if revision is None:
            row = await context.indices.find(connection, name)
            if row is None or row.is_deleted:
                raise no_index(name)
            return row
        version = await context.indices.version(connection, name, revision)
    if version is None or version.content is None:
        known = f"`GET /api/v1/admin/indices/{shown(name)}/versions` lists what it was"
        cause = f"The index {shown(name)} was not in the catalogue after a change {revision}; {known}."
        raise NotFoundError(cause, metadata=RESOURCE)
    return PolicyRow(name, version.content, is_deleted=False, last_change=version.change)


async def list_indices(context: PolicyContext, *, after: str | None, limit: int) -> tuple[Sequence[PolicyRow], bool]:
    """Up to `limit` allowed indices in order of their names, those after `after`, and whether there are more."""
    async with context.database.transaction() as transaction:
        rows = await context.indices.page(transaction.connection, after=after, limit=limit + 1)
    return rows[:limit], len(rows) > limit


async def list_index_versions(
    context: PolicyContext, name: str, *, before: int | None, limit: int
) -> tuple[Sequence[PolicyVersion], bool]:
    """Up to `limit` versions, the newest first, and whether there are more. Raises NotFoundError if it never was."""
    async with context.database.transaction() as transaction:
        connection = transaction.connection
        found = await context.indices.versions(connection, name, before=before, limit=limit + 1)
        if not found and await context.indices.find(connection, name) is None:
            raise no_index(name)
    return found[:limit], len(found) > limit
