"""What every change of the policy has in common: one transaction with its revision, version and audit row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from common.audit.record import caller_entry, record

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from common.database.transaction import Database, Transaction
    from common.rpc.caller import Caller
    from response_svc.domain.policy_row import PolicyRow
    from response_svc.ports import PolicyStore, ProfileTypeUse


@dataclass(frozen=True, slots=True)
class PolicyContext:
    """What the use cases of the policy work with."""

    database: Database
    profile_types: PolicyStore
    settings: PolicyStore
    indices: PolicyStore
    use: ProfileTypeUse
    wake_profile_types: Callable[[], Awaitable[None]]
    wake_settings: Callable[[], Awaitable[None]]
    """They let the changes of profile types, or of settings and indices, be exported soon."""
    forget_answers: Callable[[str], Awaitable[None]]
    """Lets no answer of an index be given again that was kept before."""


@dataclass(frozen=True, slots=True)
class Written:
    """One row as it is to be: its content, or that it is removed and keeps its last content for the other network."""

    key: str
    content: Mapping[str, Any]
    removed: bool = False


async def write(
    context: PolicyContext,
    transaction: Transaction,
    store: PolicyStore,
    written: Written,
    *,
    action: str,
    caller: Caller,
    data: Mapping[str, Any],
) -> PolicyRow:
    """Writes a row that the caller's transaction holds, audits it, and lets it be exported after the commit.

    `data` is what was changed, for the audit trail.
    """
    connection = transaction.connection
    by = caller.principal.user_id if caller.principal else None
    row = await store.write(connection, written.key, written.content, removed=written.removed, by=by)
    entry = caller_entry(
        caller,
        action,
        resource_type=action.partition(".")[0],
        resource_id=written.key,
        request_data=data,
        metadata={"revision": row.last_change.revision},
    )
    await record(connection, entry)
    wake = context.wake_profile_types if store is context.profile_types else context.wake_settings
    transaction.after_commit(wake)
    return row


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """What is other than before, with its new value."""
    return {name: value for name, value in after.items() if name not in before or before[name] != value}
