"""Writes an index into a network's catalogue as the owner of its database can, past the service that is meant to.

For what no service does: a catalogue on the Request Network that says something else than its master.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert

from common.policy.live import announce_change
from common.policy.tables import indices

if TYPE_CHECKING:
    from common.database.transaction import Database
    from common.policy.index import AllowedIndex


async def put_indices(database: Database, *allowed: AllowedIndex) -> None:
    """Allows these indices there; a process that has the policy in memory hears of it after the commit."""
    async with database.transaction() as transaction:
        for index in allowed:
            values = {
                "content": index.content(),
                "revision": 1,
                "is_deleted": False,
                "changed_at": func.clock_timestamp(),
            }
            statement = insert(indices).values(name=index.name, **values)
            statement = statement.on_conflict_do_update(index_elements=[indices.c.name], set_=values)
            await transaction.connection.execute(statement)
        await announce_change(transaction.connection)
