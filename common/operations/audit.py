"""Taking the audit trail away: who did is in it before the first line leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.audit.export import SegmentRange, export_audit
from common.audit.record import record
from common.operations.custody import entry

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from common.audit.export import TimeRange
    from common.database.transaction import Database
    from common.rpc.caller import Caller


async def export_trail(database: Database, wanted: TimeRange | SegmentRange, caller: Caller) -> AsyncGenerator[bytes]:
    """The lines in pieces. See `export_audit`."""
    if isinstance(wanted, SegmentRange):
        resource, asked = "segments", {"first": wanted.first, "last": wanted.last}
    else:
        resource = "rows"
        asked = {name: at.isoformat() for name in ("after", "before") if (at := getattr(wanted, name)) is not None}
    async with database.transaction() as transaction:
        await record(transaction.connection, entry("audit.exported", resource, caller, asked))
    async for piece in export_audit(database, wanted):
        yield piece
