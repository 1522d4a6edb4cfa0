"""What the clean-up deletes, and what it never does."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from common.batches.clean_up import DEFAULT_KEEPING, clean_up
from common.batches.epochs import declare_epoch

if TYPE_CHECKING:
    from toy_networks import Pair, ToyNetwork


async def clean(network: ToyNetwork) -> dict[str, int]:
    return await clean_up(network.context, DEFAULT_KEEPING)


def files(network: ToyNetwork) -> list[str]:
    outbox = network.context.outbox
    return [file.filename for file in (*outbox.waiting(), *outbox.acknowledged(), *outbox.voided())]


async def test_an_unacknowledged_bundle_is_kept_however_old_it_is(pair: Pair) -> None:
    await pair.begin()
    await pair.request.add(1)
    await pair.request.export()
    kept = files(pair.request)
    pair.request.clock.advance(days=4000)
    assert (await clean(pair.request))["sent_bundles"] == len(kept) - 1, "what was sent at the beginning"
    assert [name for name in files(pair.request) if name.startswith("requests_")] != []


async def test_an_acknowledged_bundle_goes_a_week_after_its_acknowledgement(pair: Pair) -> None:
    await pair.begin()
    await pair.request.add(1)
    await pair.request.export()
    pair.request.clock.advance(days=30)
    await pair.round_trip()
    await pair.request.export()
    await clean(pair.request)
    assert [name for name in files(pair.request) if name.startswith("requests_")] != [], "it was acknowledged only now"
    pair.request.clock.advance(days=8)
    assert (await clean(pair.request))["sent_bundles"] > 0
    assert [name for name in files(pair.request) if name.startswith("requests_")] == []
    assert await clean(pair.request) == {"sent_bundles": 0, "received_bundles": 0, "half_files": 0}


async def test_voided_bundles_go_once_their_void_is_acknowledged(pair: Pair) -> None:
    await pair.begin()
    await pair.request.status(force=True)
    await pair.request.status(force=True)
    await pair.request.export()
    pair.request.clock.advance(days=100)
    voided = len(pair.request.context.outbox.voided())
    assert voided > 0
    await clean(pair.request)
    assert len(pair.request.context.outbox.voided()) == voided, "nobody has confirmed that they are given up"
    await pair.round_trip()
    await pair.request.export()
    pair.request.clock.advance(days=8)
    await clean(pair.request)
    assert pair.request.context.outbox.voided() == []


async def test_bundles_of_an_epoch_that_ended_go_with_age(pair: Pair) -> None:
    await pair.begin()
    await pair.request.add(1)
    await pair.request.export()
    async with pair.request.database.transaction() as transaction:
        await declare_epoch(
            transaction.connection,
            pair.request.context,
            {pair.request.source.kind: pair.request.source},  # type: ignore[dict-item]
        )
    await pair.request.export()
    pair.request.clock.advance(days=8)
    await clean(pair.request)
    assert [name for name in files(pair.request) if name in {file.name for file in pair.request.waiting()}] != []
    assert pair.request.context.outbox.voided() == []


async def test_a_file_that_the_database_does_not_know_is_never_deleted(pair: Pair) -> None:
    await pair.begin()
    await pair.request.add(1)
    await pair.request.export()
    (bundle,) = pair.request.waiting("requests")
    stray = bundle.with_name(f"{bundle.name[:25]}0192f0c1-1111-7000-8000-00000000aaaa.pb.enc")
    stray.write_bytes(bundle.read_bytes())
    await pair.request.export()
    pair.request.clock.advance(days=4000)
    await clean(pair.request)
    assert stray.name in {file.filename for file in pair.request.context.outbox.voided()}


async def test_imported_bundles_go_after_a_month(pair: Pair) -> None:
    await pair.begin()
    held = len(pair.request.context.inbox.archived())
    assert held > 0
    assert (await clean(pair.request))["received_bundles"] == 0
    pair.request.clock.moment += timedelta(days=3650)
    assert (await clean(pair.request))["received_bundles"] == held
    assert (await pair.request.states()) == Counter()


async def test_a_bundle_of_an_old_epoch_is_kept_for_a_week_after_the_epoch_ended(pair: Pair) -> None:
    await pair.begin()
    await pair.request.add(1)
    await pair.request.export()
    pair.request.clock.advance(days=8)
    async with pair.request.database.transaction() as transaction:
        sources = {pair.request.source.kind: pair.request.source}
        await declare_epoch(transaction.connection, pair.request.context, sources)  # type: ignore[arg-type]
    await pair.request.export()
    before = {file.filename for file in pair.request.context.outbox.voided() if file.filename.startswith("requests_")}
    assert before
    await clean(pair.request)
    assert before <= {file.filename for file in pair.request.context.outbox.voided()}


async def test_a_folder_in_the_archive_is_left_alone(pair: Pair) -> None:
    await pair.begin()
    folder = pair.request.context.inbox.root / "archive" / "lost+found"
    folder.mkdir()
    pair.request.clock.advance(days=4000)
    await clean(pair.request)
    assert folder.is_dir()
