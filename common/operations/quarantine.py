"""Refused files: looking at them, importing one again, deleting one. The last two are audited."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from common.audit.record import record
from common.errors import NotFoundError
from common.operations.custody import entry
from transfer.errors import SpoolError

if TYPE_CHECKING:
    from collections.abc import Callable

    from common.batches.context import BatchContext
    from common.rpc.caller import Caller
    from transfer.spool.quarantine import QuarantinedFile

Result = TypeVar("Result")


async def list_quarantine(context: BatchContext, *, after: str, limit: int) -> list[QuarantinedFile]:
    """Files by name, which begins with the time, from behind `after`."""
    files = await asyncio.to_thread(context.inbox.quarantine_folder.files)
    return [file for file in files if file.name > after][:limit]


async def find_quarantined(context: BatchContext, name: str) -> QuarantinedFile:
    """One file. Raises NotFoundError."""
    return await asyncio.to_thread(_named, lambda: context.inbox.quarantine_folder.find(name), name)


async def release(context: BatchContext, name: str, caller: Caller) -> None:
    """Puts a file back into the inbox. Raises NotFoundError."""
    file = await find_quarantined(context, name)
    await asyncio.to_thread(_named, lambda: context.inbox.release(name), name)
    await _audit(context, "quarantine.released", file, caller)


async def discard(context: BatchContext, name: str, caller: Caller) -> None:
    """Deletes a file. Raises NotFoundError."""
    file = await find_quarantined(context, name)
    await _audit(context, "quarantine.discarded", file, caller)
    await asyncio.to_thread(_named, lambda: context.inbox.quarantine_folder.discard(name), name)


async def _audit(context: BatchContext, action: str, file: QuarantinedFile, caller: Caller) -> None:
    told = {"name": file.name, "defect": file.reason.get("defect", ""), "sha256": file.reason.get("sha256", "")}
    async with context.database.transaction() as transaction:
        await record(transaction.connection, entry(action, file.name, caller, told))


def _named(act: Callable[[], Result], name: str) -> Result:
    try:
        return act()
    except (SpoolError, FileNotFoundError):
        raise NotFoundError("There is no such file in quarantine; list it.", metadata={"resource": name}) from None
