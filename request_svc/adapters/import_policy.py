"""The rows of bundles of profile types and of settings: the master's are taken over as they come.

A setting that this version does not know is kept all the same: after an upgrade it counts.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from airlock.common.v1 import network_pb2
from sqlalchemy import text

from common.policy.live import announce_change
from common.policy.records import index_content, profile_type_content, setting_content
from request_svc.adapters.replica_sink import ReplicaSink
from transfer.bundle.replication import row_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import TextClause
    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.batches.ports import IncomingBatch, RecordSink
    from common.database.transaction import Transaction


@dataclass(frozen=True, slots=True)
class PolicyTable:
    """One table of the policy: how a record becomes its row."""

    name: str
    key: Callable[[Any], str]
    content: Callable[[Any], dict[str, Any]]

    @property
    def store(self) -> str:
        """The statement that stores rows."""
        types = ", ".join(f"%b::{kind}[]" for kind in ("text", "text", "int8", "bool", "bytea"))
        return f"SELECT * FROM airlock_store_{self.name}(%b, {types})"  # noqa: S608 - constants

    @property
    def retire(self) -> TextClause:
        """The statement that retires what a snapshot does not hold."""
        return text(f"SELECT airlock_retire_{self.name}(:batch)")


def _name(record: Any) -> str:  # noqa: ANN401 - a profile type or an index
    return str(record.name)


def _key(record: Any) -> str:  # noqa: ANN401 - a setting
    return str(record.key)


_TABLES: Final[Mapping[int, Mapping[str, PolicyTable]]] = {
    network_pb2.BUNDLE_KIND_PROFILE_TYPES: {
        "profile_type": PolicyTable("profile_types", _name, profile_type_content),
    },
    network_pb2.BUNDLE_KIND_SETTINGS: {
        "setting": PolicyTable("settings", _key, setting_content),
        "index": PolicyTable("indices", _name, index_content),
    },
}
_DIGEST: Final = "SELECT count(*), sha256(coalesce(string_agg(row_digest, ''::bytea ORDER BY {}), ''::bytea)) FROM {}"
_MEASURES: Final[Mapping[int, TextClause]] = {
    network_pb2.BUNDLE_KIND_PROFILE_TYPES: text(
        _DIGEST.format('name COLLATE "C"', "profile_types WHERE row_digest IS NOT NULL")
    ),
    network_pb2.BUNDLE_KIND_SETTINGS: text(
        _DIGEST.format(
            'id COLLATE "C"',
            "(SELECT 'setting/' || key AS id, row_digest FROM settings UNION ALL"
            " SELECT 'index/' || name, row_digest FROM indices) AS rows WHERE row_digest IS NOT NULL",
        )
    ),
}


class PolicyRows:
    """`ReplicaRows` for one bundle of profile types or of settings."""

    def __init__(self, batch: IncomingBatch) -> None:
        self._batch = batch
        self._tables = _TABLES[batch.kind]
        self.contents = frozenset(self._tables)
        self.measure = _MEASURES[batch.kind]
        self.counts = {"imported": 0, "updated": 0, "removed": 0}

    async def store(self, connection: AsyncConnection, messages: Mapping[str, Sequence[Any]]) -> None:
        """See the port."""
        for content, records in messages.items():
            table = self._tables[content]
            rows = {table.key(record): record for record in records}
            parameters = (
                self._batch.batch_id,
                list(rows),
                [json.dumps(table.content(record)) for record in rows.values()],
                [record.revision for record in rows.values()],
                [record.is_deleted for record in rows.values()],
                [row_digest(record.SerializeToString(deterministic=True)) for record in rows.values()],
            )
            stored = (await connection.exec_driver_sql(table.store, parameters)).one()
            self.counts["imported"] += stored.imported
            self.counts["updated"] += stored.updated

    async def finish(self, transaction: Transaction, *, snapshot: bool) -> None:
        """See the port. Every process looks at the policy again once this has committed."""
        connection = transaction.connection
        if snapshot:
            for table in self._tables.values():
                self.counts["removed"] += await connection.scalar(table.retire, {"batch": self._batch.batch_id}) or 0
        await announce_change(connection)


def policy_sinks(batch: IncomingBatch) -> RecordSink:
    """The sink for one bundle of profile types or of settings."""
    return ReplicaSink(batch, PolicyRows(batch))
