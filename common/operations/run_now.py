"""Exports and imports on demand: the same runs as on schedule, with the name of who asked in the audit trail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airlock.common.v1 import network_pb2

from common.audit.record import caller_entry, record
from common.errors import FieldViolation, InvalidFieldError
from transfer.bundle.names import kind_from_name, kind_name

if TYPE_CHECKING:
    from common.batches.context import BatchContext
    from common.batches.exchange import Exchange
    from common.batches.reports import ExportReport, ImportReport
    from common.rpc.caller import Caller


async def export_now(exchange: Exchange, *, name: str, caller: Caller) -> ExportReport:
    """Runs the export of the kind `name` and waits for it.

    Raises InvalidFieldError for a kind that this network does not send, and what `run_export` raises.
    """
    kind = kind_from_name(name)
    if kind not in exchange.sources and kind != network_pb2.BUNDLE_KIND_STATUS:
        sent = ", ".join([*(kind_name(one) for one in exchange.sources), "status"])
        cause = f"This network sends no bundles of {name}; it sends {sent}."
        raise InvalidFieldError(cause, violations=[FieldViolation("kind", cause)])
    await _record(exchange.context, "ops.export_run", name, caller)
    if kind == network_pb2.BUNDLE_KIND_STATUS:
        return await exchange.export_status()
    return await exchange.export(kind, wait=True)


async def import_now(exchange: Exchange, caller: Caller) -> ImportReport:
    """Looks through the inbox and waits for it."""
    await _record(exchange.context, "ops.imports_scanned", None, caller)
    return await exchange.import_waiting(wait=True)


async def _record(context: BatchContext, action: str, kind: str | None, caller: Caller) -> None:
    entry = caller_entry(caller, action, resource_type="bundles", resource_id=kind)
    async with context.database.transaction() as transaction:
        await record(transaction.connection, entry)
