"""Keys change while bundles are on their way, on no agreed day, and nothing stops."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from airlock.bundle.v1.acknowledgement_pb2 import Acknowledgements
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import delete, select
from test_operators import accept, declare, void
from test_refusals import forge, reasons

from common.batches import run_import
from common.batches.signing_keys import revoke
from common.batches.tables import export_batches, peer_signing_keys
from transfer.bundle.keyring import Keyring, KeyState, SigningKey
from transfer.bundle.reader import summary
from transfer.bundle.revocation import keep_revoked, load_revoked
from transfer.bundle.rotation import activated, with_new_version, without

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from toy_networks import Pair, ToyNetwork


def signer_of(bundle: Path) -> bytes:
    return summary(bundle).signatures[0].key_id


async def sent(network: ToyNetwork) -> Path:
    """The one new bundle of a fresh row."""
    before = set(network.waiting())
    await network.add(1)
    await network.export()
    (path,) = set(network.waiting()) - before
    return path


async def revoked_at(network: ToyNetwork, key: SigningKey) -> list[bytes]:
    async with network.database.transaction() as transaction:
        return await revoke(transaction.connection, key.key_id, network.clock())


async def first_frame(network: ToyNetwork) -> Acknowledgements:
    newest = select(export_batches.c.first_frame).order_by(export_batches.c.sequence.desc()).limit(1)
    async with network.database.transaction() as transaction:
        return Acknowledgements.FromString(await transaction.connection.scalar(newest))


async def test_a_new_signing_key_is_announced_under_the_old_one_and_used_once_it_is_confirmed(pair: Pair) -> None:
    await pair.begin()
    old, new = pair.request.context.keys().signing_key, SigningKey(Ed25519PrivateKey.generate())
    pair.request = pair.request.with_keys(next_signing_key=new)
    first, second = await sent(pair.request), await sent(pair.request)
    assert {signer_of(first), signer_of(second)} == {old.key_id}
    # Only the second arrives; the first is late, and is signed by the old key.
    late = first.read_bytes()
    pair.response.take_in(second)
    await pair.response.scan()
    assert signer_of(await sent(pair.request)) == old.key_id, "nothing is confirmed yet"
    await pair.response.status(force=True)
    pair.request.take_in(*pair.response.waiting())
    await pair.request.scan()
    third = await sent(pair.request)
    assert signer_of(third) == new.key_id
    first.write_bytes(late)
    await pair.round_trip()
    assert await pair.request.states() == Counter(acknowledged=4)
    assert not (await first_frame(pair.request)).announced_signing_key, "what is confirmed is announced no more"


async def test_status_bundles_that_replace_each_other_confirm_a_key_all_the_same(pair: Pair) -> None:
    await pair.begin()
    new = SigningKey(Ed25519PrivateKey.generate())
    pair.request = pair.request.with_keys(next_signing_key=new)
    for _ in range(3):
        # Each gives up the one before it, whose acknowledgement is still on its way.
        await pair.request.status(force=True)
        await pair.response.status(force=True)
        await pair.exchange()
    assert signer_of(await sent(pair.request)) == new.key_id


async def test_a_new_epoch_announces_a_key_again_under_the_old_one(pair: Pair) -> None:
    await pair.begin()
    old, new = pair.request.context.keys().signing_key, SigningKey(Ed25519PrivateKey.generate())
    pair.request = pair.request.with_keys(next_signing_key=new)
    await sent(pair.request)
    await pair.round_trip()
    assert signer_of(await sent(pair.request)) == new.key_id
    async with pair.response.database.transaction() as transaction:
        # The Response Network was set back to before it learned of the key.
        await transaction.connection.execute(delete(peer_signing_keys))
    begun = await declare(pair.request)
    first = await sent(pair.request)
    assert signer_of(first) == old.key_id
    pair.response.take_in(*pair.request.waiting())
    await pair.response.scan()
    await accept(pair.response, begun.epoch)
    await pair.response.status(force=True)
    await pair.round_trip()
    await pair.round_trip()
    assert signer_of(await sent(pair.request)) == new.key_id
    await pair.round_trip()
    assert (await pair.request.states())["acknowledged"] == 4


async def test_a_revoked_key_counts_no_more_though_a_file_and_a_bundle_name_it(pair: Pair) -> None:
    await pair.begin()
    new = SigningKey(Ed25519PrivateKey.generate())
    pair.request = pair.request.with_keys(next_signing_key=new)
    await sent(pair.request)
    await pair.round_trip()
    old = pair.request.context.keys().signing_key
    assert await revoked_at(pair.response, old) == [new.key_id]
    assert await revoked_at(pair.response, old) == [new.key_id], "twice is once"
    pair.response.take_in(await sent(pair.request))
    assert [one.status for one in (await pair.response.scan()).batches] == ["completed"], "the new key still counts"
    with_old_key = pair.request.with_keys(next_signing_key=None)
    pair.response.take_in(await sent(with_old_key))
    assert [one.defect for one in (await pair.response.scan()).batches] == ["unknown-signer"]


async def test_after_a_theft_a_key_that_was_brought_by_hand_takes_over_and_nothing_is_lost(pair: Pair) -> None:
    await pair.begin()
    stolen, new = pair.request.context.keys().signing_key, SigningKey(Ed25519PrivateKey.generate())
    await revoked_at(pair.response, stolen)
    refused = await sent(pair.request)
    pair.response.take_in(refused)
    await pair.response.scan()
    assert reasons(pair.response) == ["unknown-signer"]
    pair.request = pair.request.with_keys(signing_key=new)
    trusted = pair.response.context.keys().trusted_keys.changed(learned=[new.public_bytes], revoked=())
    pair.response = pair.response.with_keys(trusted_keys=trusted)
    await void(pair.request, [summary(refused).header.sequence])
    await pair.request.export()
    await pair.round_trip()
    assert await pair.request.states() == Counter(acknowledged=1)
    assert set((await pair.response.times_applied()).values()) == {1}


async def test_a_key_is_announced_only_to_a_peer_that_reads_the_schema(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transfer.custody.acknowledgements.SCHEMA_MINOR", 0)
    await pair.begin()
    new = SigningKey(Ed25519PrivateKey.generate())
    pair.request = pair.request.with_keys(next_signing_key=new)
    bundle = await sent(pair.request)
    assert summary(bundle).header.schema_minor == 0
    assert not (await first_frame(pair.request)).announced_signing_key
    assert signer_of(bundle) == pair.request.context.keys().signing_key.key_id


async def test_an_encryption_key_rotates_on_different_days(pair: Pair) -> None:
    await pair.begin()
    old = await sent(pair.request)
    prepared, version = with_new_version(pair.request.context.keys().keyring)
    assert version == "v2"
    # The Request Network goes ahead; the other one has not even got the key.
    pair.request = pair.request.with_keys(keyring=activated(prepared, version))
    early = await sent(pair.request)
    assert summary(early).header.key_version == "v1", "the other network has said that it holds v1 only"
    await pair.round_trip()
    pair.response = pair.response.with_keys(keyring=prepared)
    await pair.response.status(force=True)
    await pair.round_trip()
    new = await sent(pair.request)
    assert summary(new).header.key_version == "v2"
    await pair.round_trip()
    assert await pair.request.states() == Counter(acknowledged=3)
    assert not old.exists()
    pair.response = pair.response.with_keys(keyring=without(activated(prepared, version), "v1"))
    pair.request = pair.request.with_keys(keyring=without(activated(prepared, version), "v1"))
    await sent(pair.request)
    await pair.response.status(force=True)
    await pair.round_trip()
    assert await pair.request.states() == Counter(acknowledged=4)


async def test_a_bundle_under_a_destroyed_key_is_given_up_and_its_rows_arrive(pair: Pair) -> None:
    await pair.begin()
    bundle = await sent(pair.request)
    prepared, version = with_new_version(pair.response.context.keys().keyring)
    pair.response = pair.response.with_keys(keyring=without(activated(prepared, version), "v1"))
    pair.response.take_in(bundle)
    (refused,) = (await pair.response.scan()).batches
    assert refused.defect == "unknown-key-version"
    assert "was destroyed here" in (refused.error_message or "")
    assert "give the bundle up" in (refused.error_message or "")


async def test_a_key_that_a_stolen_one_introduced_is_named_when_the_stolen_one_is_revoked(
    pair: Pair, tmp_path: Path
) -> None:
    await pair.begin()
    epoch = (await pair.request.streams()).outgoing.epoch
    thief = SigningKey(Ed25519PrivateKey.generate())
    announces = Acknowledgements(running_digest=bytes(32), announced_signing_key=thief.public_bytes)
    forge(pair.request, (epoch, 2), tmp_path / "x.pb.enc", schema_minor=1, acknowledgements=announces)
    pair.response.take_in(tmp_path / "x.pb.enc")
    await pair.response.scan()
    assert await revoked_at(pair.response, pair.request.context.keys().signing_key) == [thief.key_id]
    assert await revoked_at(pair.response, thief) == []
    forge(pair.request.with_keys(signing_key=thief), (epoch, 3), tmp_path / "y.pb.enc")
    pair.response.take_in(tmp_path / "y.pb.enc")
    assert [one.defect for one in (await pair.response.scan()).batches] == ["unknown-signer"]


async def test_a_key_revoked_between_check_and_apply_applies_nothing(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    await pair.begin()
    pair.response.take_in(await sent(pair.request))
    apply_bundle = run_import.apply_bundle

    async def apply_after_the_revocation(*arguments: Any, **options: Any) -> Any:
        await revoked_at(pair.response, pair.request.context.keys().signing_key)
        return await apply_bundle(*arguments, **options)

    monkeypatch.setattr(run_import, "apply_bundle", apply_after_the_revocation)
    assert [one.defect for one in (await pair.response.scan()).batches] == ["unknown-signer"]
    assert not await pair.response.times_applied()


async def test_a_revocation_outlives_a_restored_database_in_its_file(pair: Pair, tmp_path: Path) -> None:
    await pair.begin()
    stolen = pair.request.context.keys().signing_key
    peer_keys = tmp_path / "peer.pub"
    keep_revoked(peer_keys, stolen.key_id)
    keep_revoked(peer_keys, stolen.key_id)
    restored = pair.response.with_keys(revoked=load_revoked(peer_keys))
    restored.take_in(await sent(pair.request))
    assert [one.defect for one in (await restored.scan()).batches] == ["unknown-signer"]


async def test_a_key_is_confirmed_only_by_bundles_that_announced_it(pair: Pair) -> None:
    await pair.begin()
    with_the_key = pair.request.with_keys(next_signing_key=SigningKey(Ed25519PrivateKey.generate()))
    await with_the_key.status(force=True)
    # A host without the new file gives that one up, and its own is what arrives.
    await pair.request.status(force=True)
    await pair.round_trip()
    pair.response.take_in(await sent(with_the_key))
    assert [one.status for one in (await pair.response.scan()).batches] == ["completed"]


async def test_a_new_epoch_remembers_which_key_versions_the_other_network_holds(pair: Pair) -> None:
    await pair.begin()
    prepared, version = with_new_version(pair.request.context.keys().keyring)
    pair.request = pair.request.with_keys(keyring=activated(prepared, version))
    await pair.round_trip()
    begun = await declare(pair.request)
    bundle = await sent(pair.request)
    assert summary(bundle).header.key_version == "v1"
    pair.response.take_in(*pair.request.waiting())
    await pair.response.scan()
    await accept(pair.response, begun.epoch)
    await pair.round_trip()
    await pair.round_trip()
    assert await pair.request.states() == Counter(acknowledged=1)


async def test_a_version_in_preparation_seals_where_the_other_network_holds_no_other(pair: Pair) -> None:
    await pair.begin()
    prepared, version = with_new_version(pair.request.context.keys().keyring)
    pair.request = pair.request.with_keys(keyring=prepared)
    pair.response = pair.response.with_keys(keyring=without(activated(prepared, version), "v1"))
    await pair.response.status(force=True)
    pair.request.take_in(*pair.response.waiting())
    await pair.request.scan()
    assert summary(await sent(pair.request)).header.key_version == version


def test_every_state_follows_the_one_before() -> None:
    keyring = Keyring({"v1": bytes(32)}, "v1")
    prepared, version = with_new_version(keyring)
    assert prepared.states == {"v1": KeyState.ACTIVE, "v2": KeyState.PRE}
    active = activated(prepared, version)
    assert active.states == {"v1": KeyState.RETIRING, "v2": KeyState.ACTIVE}
    gone = without(active, "v1")
    assert gone.states == {"v1": KeyState.DESTROYED, "v2": KeyState.ACTIVE}
    again, third = with_new_version(gone)
    assert third == "v3", "a name is never given twice"
    assert again.versions == ("v2", "v3")
