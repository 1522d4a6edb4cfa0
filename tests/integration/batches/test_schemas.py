"""In which schema a bundle is written: what the other network has said that it reads decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airlock.common.v1.network_pb2 import BUNDLE_KIND_SETTINGS
from test_replication import Changes
from toy_networks import USERS

from common.batches.run_export import run_export
from transfer.bundle.peek import peek

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    import pytest
    from airlock.common.v1.network_pb2 import BundleKind
    from sqlalchemy.ext.asyncio import AsyncConnection
    from toy_networks import Pair

    from common.batches.ports import OutgoingBatch

READS = "transfer.custody.acknowledgements.SCHEMA_MINOR"


class Asked(Changes):
    """Remembers the schema in which it was asked for records."""

    def __init__(self, kind: BundleKind.ValueType) -> None:
        super().__init__()
        self.kind = kind  # type: ignore[assignment] # of another instance, another kind
        self.minors: list[int] = []

    async def claim(self, connection: AsyncConnection, batch: OutgoingBatch) -> int:
        self.minors.append(batch.schema_minor)
        return await super().claim(connection, batch)

    async def pieces(self, connection: AsyncConnection, batch: OutgoingBatch) -> AsyncIterator[Sequence[bytes]]:
        assert batch.schema_minor == self.minors[0], "every attempt is written alike"
        async for records in super().pieces(connection, batch):
            yield records[:1] if self.kind == BUNDLE_KIND_SETTINGS else records


class AskedOfSettings(Asked):
    """Settings with nothing but their state."""

    async def claim(self, connection: AsyncConnection, batch: OutgoingBatch) -> int:
        return min(await super().claim(connection, batch), 1)


async def schema_of(pair: Pair, source: Asked) -> list[int]:
    """The schema minor of every bundle that an export of the Response Network makes now."""
    outbox = pair.response.context.outbox
    report = await run_export(pair.response.context, source)
    return [peek(outbox.final_path(source.kind, b.filename)).header.schema_minor for b in report.batches]


async def test_before_the_other_network_has_spoken_users_are_in_the_oldest_schema(pair: Pair) -> None:
    source = Asked(USERS)
    assert await schema_of(pair, source) == [0]
    assert source.minors[0] == 0


async def test_once_it_reads_the_schema_users_are_written_in_it(pair: Pair) -> None:
    await pair.begin()
    assert await schema_of(pair, Asked(USERS)) == [2]


async def test_a_network_that_reads_less_gets_users_as_it_reads_them(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(READS, 1)
    await pair.begin()
    source = Asked(USERS)
    assert await schema_of(pair, source) == [1], "for its first frame, which names keys"
    assert source.minors[0] == 0


async def test_settings_are_sent_before_the_other_network_has_spoken(pair: Pair) -> None:
    assert await schema_of(pair, AskedOfSettings(BUNDLE_KIND_SETTINGS)) == [2]


async def test_settings_are_not_sent_to_a_network_that_says_it_cannot_read_them(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = AskedOfSettings(BUNDLE_KIND_SETTINGS)
    with monkeypatch.context() as older:
        older.setattr(READS, 1)
        await pair.begin()
        assert await schema_of(pair, source) == []
        assert source.minors == [], "it is not even asked"
    await pair.round_trip()
    assert await schema_of(pair, source) == [2]
