"""What operators see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import update
from toy_networks import REQUESTS, STATUS

from common.batches import number_rows
from common.batches.reports import ImportReport
from common.batches.stores import get_export_batch, list_export_batches, list_import_batches, waiting_bundles
from common.batches.tables import export_batches

if TYPE_CHECKING:
    import pytest
    from toy_networks import Pair


async def test_lists_go_on_where_the_page_before_ended(pair: Pair) -> None:
    await pair.begin()
    await pair.request.add(12)
    await pair.request.export()
    async with pair.request.database.transaction() as transaction:
        # Batches of the same moment must neither be skipped nor shown twice.
        await transaction.connection.execute(update(export_batches).values(created_at=pair.request.clock()))
        pages, after = [], None
        while page := await list_export_batches(transaction.connection, kind=REQUESTS, limit=3, after=after):
            pages.append(len(page))
            after = (page[-1].created_at, page[-1].id)
    assert pages == [3, 1]


async def test_waiting_bundles_are_those_that_lie_in_the_folders(pair: Pair) -> None:
    await pair.begin()
    await pair.request.add(7)
    await pair.request.export()
    async with pair.request.database.transaction() as transaction:
        waiting = await waiting_bundles(transaction.connection, limit=100)
        rest = await waiting_bundles(transaction.connection, limit=100, after=waiting[0].sequence)
        one = await get_export_batch(transaction.connection, waiting[0].id)
    assert {batch.filename for batch in waiting} == {file.name for file in pair.request.waiting()}
    assert rest == waiting[1:]
    assert one == waiting[0]


async def test_imports_are_listed_by_kind_with_what_they_did(pair: Pair) -> None:
    await pair.begin()
    await pair.request.add(2)
    await pair.request.export()
    await pair.round_trip()
    async with pair.response.database.transaction() as transaction:
        *_, batch = await list_import_batches(transaction.connection, kind=REQUESTS, limit=10)
        statuses = await list_import_batches(transaction.connection, kind=STATUS, limit=10)
    assert (batch.status, batch.record_count, batch.counts) == (
        "completed",
        2,
        {"inserted": 2, "bundles_acknowledged": 1},
    )
    assert all(one.kind == STATUS for one in statuses)


async def test_a_run_says_what_it_did_in_numbers(pair: Pair) -> None:
    await pair.begin()
    await pair.request.add(4)
    report = await pair.request.export()
    assert report.summary == "sealed 4 records in 2 bundles"
    pair.response.take_in(*pair.request.waiting())
    scan = await pair.response.scan()
    assert scan.summary == "imported 2 bundles, 4 requests inserted, 1 bundle of ours acknowledged"
    assert scan.counts["requests_inserted"] == 4
    assert (await pair.response.scan()).summary == "nothing new"
    assert ImportReport(skipped=True).summary == "another scan is under way"


async def test_no_more_numbers_are_given_up_than_a_first_frame_names(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(number_rows, "MAX_VOIDED", 2)
    await pair.response.status(force=True)
    for _ in range(4):
        await pair.response.status(force=True)
    exports = await pair.response.exports()
    assert [batch.disposition for batch in exports] == ["sealed", "sealed", "sealed", "voided", "voided"]
    assert len(pair.response.waiting()) == 3
