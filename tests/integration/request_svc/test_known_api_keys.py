"""Calls with API keys, as a process's memory answers them: without the database, and true again within seconds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from airlock.common.v1 import permission_pb2
from sqlalchemy import text as sql
from sqlalchemy.exc import OperationalError, ProgrammingError

from common.auth.api_keys import new_api_key
from common.database.notices import Notices
from common.database.transaction import Database
from common.errors import RateLimitedError, SessionEndedError, TokenExpiredError, TokenInvalidError
from request_svc.adapters.api_key_store import CHANNEL
from request_svc.adapters.known_api_keys import RememberedApiKeys
from request_svc.adapters.tables import api_keys
from request_svc.adapters.unknown_api_keys import UnknownApiKeys
from tests.integration.request_svc.request_world import user_message, users_bundle

if TYPE_CHECKING:
    from tests.integration.request_svc.api_key_world import Keys

ADDRESS = "198.51.100.4"


async def good(known: RememberedApiKeys, text: str) -> bool:
    try:
        await known.authenticate(text, ADDRESS)
    except (SessionEndedError, TokenExpiredError):
        return False
    return True


async def test_a_known_key_asks_no_database(keys_of: Keys) -> None:
    key, text = await keys_of.create()
    with keys_of.statements() as seen:
        caller = await keys_of.known.authenticate(text, ADDRESS)
    assert len(seen) == 1
    with keys_of.statements() as seen:
        for _ in range(100):
            assert await keys_of.known.authenticate(text, ADDRESS) == caller
    assert seen == []
    assert caller.key is not None
    assert (caller.username, caller.role, caller.key.key_id, caller.key.name) == ("sara", "user", key.key_id, "nightly")
    assert caller.permissions == {permission_pb2.PERMISSION_SUBMIT_REQUEST, permission_pb2.PERMISSION_READ_REQUEST}


async def test_a_hundred_calls_at_once_with_a_new_key_look_it_up_once(keys_of: Keys) -> None:
    _, text = await keys_of.create()
    with keys_of.statements() as seen:
        await asyncio.gather(*(keys_of.known.authenticate(text, ADDRESS) for _ in range(100)))
    assert len(seen) == 1


async def test_a_caller_who_leaves_does_not_take_the_look_up_from_the_others(keys_of: Keys) -> None:
    _, text = await keys_of.create()
    leaving = asyncio.create_task(keys_of.known.authenticate(text, ADDRESS))
    staying = asyncio.create_task(keys_of.known.authenticate(text, ADDRESS))
    await asyncio.sleep(0)
    leaving.cancel()
    assert (await staying).username == "sara"


async def test_an_unknown_key_is_looked_up_once_in_a_while(keys_of: Keys) -> None:
    text = new_api_key().text
    with keys_of.statements() as seen:
        for _ in range(10):
            with pytest.raises(TokenInvalidError):
                await keys_of.known.authenticate(text, ADDRESS)
    assert len(seen) == 1
    keys_of.clock.move(seconds=31)
    with keys_of.statements() as seen, pytest.raises(TokenInvalidError):
        await keys_of.known.authenticate(text, ADDRESS)
    assert len(seen) == 1


async def test_a_flood_of_made_up_keys_is_no_flood_of_queries_and_known_keys_go_on(
    keys_of: Keys,
) -> None:
    known = keys_of.another_process(unknown=UnknownApiKeys(keys_of.clock, 20))
    _, text = await keys_of.create()
    await known.authenticate(text, ADDRESS)
    with keys_of.statements() as seen:
        flood = [known.authenticate(new_api_key().text, ADDRESS) for _ in range(300)]
        refusals = await asyncio.gather(*flood, return_exceptions=True)
        assert await good(known, text)
    assert len(seen) == 20
    assert sum(isinstance(refusal, RateLimitedError) for refusal in refusals) == 280
    keys_of.clock.move(seconds=1)
    with pytest.raises(TokenInvalidError):
        await known.authenticate(new_api_key().text, ADDRESS)


async def test_good_keys_that_are_new_here_are_never_held_back_by_each_other(keys_of: Keys) -> None:
    keys_of.set(most_per_user=100)
    known = keys_of.another_process(unknown=UnknownApiKeys(keys_of.clock, 5))
    for _ in range(20):
        assert await good(known, (await keys_of.create())[1])


async def test_a_database_that_is_away_does_not_use_up_the_bound(keys_of: Keys) -> None:
    away = Database("postgresql://127.0.0.1:1/nothing")
    known = RememberedApiKeys(away, unknown=UnknownApiKeys(keys_of.clock, 1), clock=keys_of.clock)
    for _ in range(3):
        with pytest.raises(OperationalError):
            await known.authenticate(new_api_key().text, ADDRESS)
    await away.close()


async def test_a_key_ends_by_the_clock_and_the_refusal_names_the_way_out(keys_of: Keys) -> None:
    _, text = await keys_of.create(lifetime_days=1)
    await keys_of.known.authenticate(text, ADDRESS)
    keys_of.clock.move(days=1)
    with pytest.raises(TokenExpiredError, match="rotate"):
        await keys_of.known.authenticate(text, ADDRESS)


async def test_a_rotated_key_is_good_until_its_overlap_ends(keys_of: Keys) -> None:
    key, text = await keys_of.create()
    new = (await keys_of.rotate(key, overlap_hours=2)).text
    assert [await good(keys_of.known, one) for one in (text, new)] == [True, True]
    keys_of.clock.move(hours=2)
    assert await good(keys_of.known, new)
    with pytest.raises(TokenExpiredError, match="successor"):
        await keys_of.known.authenticate(text, ADDRESS)


async def test_without_an_overlap_the_old_key_ends_at_once(keys_of: Keys) -> None:
    key, text = await keys_of.create()
    assert await good(keys_of.known, text)
    await keys_of.rotate(key, overlap_hours=0)
    assert not await good(keys_of.known, text)


async def test_a_revocation_counts_here_at_once(keys_of: Keys) -> None:
    key, text = await keys_of.create()
    assert await good(keys_of.known, text)
    await keys_of.revoke(key)
    with pytest.raises(SessionEndedError, match="revoked"):
        await keys_of.known.authenticate(text, ADDRESS)


@pytest.mark.parametrize("listens", [True, False])
async def test_a_revocation_counts_in_every_process_within_seconds(
    keys_of: Keys, request_url: str, listens: bool
) -> None:
    notices = Notices(request_url if listens else None)
    there = keys_of.another_process(poll_seconds=60 if listens else 0.1, notices=notices)
    await there.start()
    stands = asyncio.Event()
    # Everybody is woken when the connection stands; those who asked earlier come first.
    notices.wake_on(CHANNEL, stands.set)
    notices.start()
    try:
        if listens:
            await asyncio.wait_for(stands.wait(), 30)
        key, text = await keys_of.create()
        assert await good(there, text)
        await keys_of.revoke(key)
        async with asyncio.timeout(5):
            while await good(there, text):  # noqa: ASYNC110 - as a caller would notice it.
                await asyncio.sleep(0.02)
    finally:
        await notices.close()
        await there.close()


async def test_a_deactivated_user_is_out_and_a_reactivated_one_in_again(keys_of: Keys) -> None:
    there = keys_of.another_process()
    await there.refresh()
    _, text = await keys_of.create()
    assert await good(there, text)
    await keys_of.import_people(sara={"is_active": False, "revision": 2})
    await there.refresh()
    with pytest.raises(SessionEndedError, match="inactive"):
        await there.authenticate(text, ADDRESS)
    await keys_of.import_people(sara={"revision": 3})
    await there.refresh()
    assert await good(there, text)


async def test_another_role_and_other_limits_count_after_the_import(keys_of: Keys) -> None:
    _, text = await keys_of.create("mina", scopes=["read_request", "transfer", "operate"])
    await keys_of.known.refresh()
    before = await keys_of.known.authenticate(text, ADDRESS)
    assert before.may(permission_pb2.PERMISSION_OPERATE)
    await keys_of.world.import_users(users_bundle([user_message("mina", role="user", priority=9, revision=2)]))
    await keys_of.known.refresh()
    with keys_of.statements() as seen:
        after = await keys_of.known.authenticate(text, ADDRESS)
    assert seen == []
    assert after.permissions == {permission_pb2.PERMISSION_READ_REQUEST}
    assert after.limits.priority == 9


async def test_what_was_read_before_a_change_is_not_remembered_after_it(keys_of: Keys) -> None:
    key, text = await keys_of.create()
    with keys_of.statements() as seen:
        looking_up = asyncio.create_task(keys_of.known.authenticate(text, ADDRESS))
        while not seen:  # noqa: ASYNC110 - nobody tells.
            await asyncio.sleep(0)
        keys_of.known.forget([key.key_id])
        await asyncio.gather(looking_up, keys_of.known.authenticate(text, ADDRESS))
        assert len(seen) == 2


async def test_a_refresh_without_a_change_reads_no_keys(keys_of: Keys) -> None:
    _, text = await keys_of.create()
    await keys_of.known.refresh()
    await keys_of.known.authenticate(text, ADDRESS)
    await keys_of.known.refresh()
    with keys_of.statements() as seen:
        await keys_of.known.refresh()
    assert len(seen) == 2
    assert not any("key_hash" in statement for statement in seen)


async def test_a_key_that_is_gone_from_the_table_is_gone_from_memory(keys_of: Keys) -> None:
    _, text = await keys_of.create()
    await keys_of.known.authenticate(text, ADDRESS)
    async with keys_of.world.database.transaction() as transaction:
        await transaction.connection.execute(api_keys.delete())
    await keys_of.import_people()
    await keys_of.known.refresh()
    with pytest.raises(TokenInvalidError):
        await keys_of.known.authenticate(text, ADDRESS)


class TestLastUse:
    async def test_it_is_written_together_and_not_with_the_call(self, keys_of: Keys) -> None:
        texts = [(await keys_of.create())[1] for _ in range(3)]
        for text in texts * 5:
            await keys_of.known.authenticate(text, ADDRESS)
        assert {row.last_used_at for row in await keys_of.world.rows(api_keys)} == {None}
        with keys_of.statements() as seen:
            await keys_of.known.write_uses()
            await keys_of.known.write_uses()
        assert len(seen) == 1
        rows = await keys_of.world.rows(api_keys)
        assert {(row.last_used_at, str(row.last_used_address)) for row in rows} == {(keys_of.clock(), ADDRESS)}

    async def test_the_newest_stands_whichever_process_writes_last(self, keys_of: Keys) -> None:
        _, text = await keys_of.create()
        there = keys_of.another_process()
        await there.authenticate(text, "192.0.2.1")
        keys_of.clock.move(seconds=1)
        await keys_of.known.authenticate(text, None)
        await keys_of.known.write_uses()
        await there.write_uses()
        [row] = await keys_of.world.rows(api_keys)
        assert (row.last_used_at, row.last_used_address) == (keys_of.clock(), None)

    async def test_many_processes_write_at_once_without_a_deadlock(self, keys_of: Keys) -> None:
        keys_of.set(most_per_user=50)
        texts = [(await keys_of.create())[1] for _ in range(30)]
        processes = [keys_of.another_process() for _ in range(4)]
        for n, process in enumerate(processes):
            keys_of.clock.move(seconds=1)
            for text in texts if n % 2 else reversed(texts):
                await process.authenticate(text, ADDRESS)
        await asyncio.gather(*(process.write_uses() for process in processes))
        assert {row.last_used_at for row in await keys_of.world.rows(api_keys)} == {keys_of.clock()}

    async def test_it_is_written_in_time_and_at_the_end(self, keys_of: Keys) -> None:
        there = keys_of.another_process(write_seconds=0.05)
        await there.start()
        _, text = await keys_of.create()
        await there.authenticate(text, ADDRESS)
        async with asyncio.timeout(30):
            while (await keys_of.world.rows(api_keys))[0].last_used_at is None:  # noqa: ASYNC110 - nobody tells.
                await asyncio.sleep(0.02)
        await there.close()
        keys_of.clock.move(seconds=1)
        await keys_of.known.authenticate(text, ADDRESS)
        await keys_of.known.close()
        assert (await keys_of.world.rows(api_keys))[0].last_used_at == keys_of.clock()

    async def test_a_refused_use_is_no_use(self, keys_of: Keys) -> None:
        key, text = await keys_of.create()
        await keys_of.revoke(key)
        assert not await good(keys_of.known, text)
        await keys_of.known.write_uses()
        assert (await keys_of.world.rows(api_keys))[0].last_used_at is None

    @pytest.mark.parametrize(
        ("address", "kept"), [("not an address", "None"), ("fe80::1%eth0", "fe80::1"), ("", "None")]
    )
    async def test_an_address_that_cannot_be_kept_costs_no_other_use(
        self, keys_of: Keys, address: str, kept: str
    ) -> None:
        for where in (address, ADDRESS):
            await keys_of.known.authenticate((await keys_of.create())[1], where)
        await keys_of.known.write_uses()
        rows = await keys_of.world.rows(api_keys)
        assert {str(row.last_used_address) for row in rows} == {kept, ADDRESS}
        assert {row.last_used_at for row in rows} == {keys_of.clock()}

    async def test_what_could_not_be_written_is_written_next_time(self, keys_of: Keys, owner: Database) -> None:
        _, text = await keys_of.create()
        await keys_of.known.authenticate(text, ADDRESS)
        async with owner.transaction() as transaction:
            await transaction.connection.execute(sql("ALTER TABLE api_keys RENAME TO moved"))
        with pytest.raises(ProgrammingError):
            await keys_of.known.write_uses()
        async with owner.transaction() as transaction:
            await transaction.connection.execute(sql("ALTER TABLE moved RENAME TO api_keys"))
        await keys_of.known.write_uses()
        assert (await keys_of.world.rows(api_keys))[0].last_used_at == keys_of.clock()
