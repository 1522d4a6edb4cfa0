"""Profile types on a real database: what each change writes, what it refuses, and two admins at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from common.errors import AlreadyExistsError, InvalidFieldError, NotFoundError, WrongStateError
from common.policy.live import CHANNEL, LivePolicy
from common.rpc.caller import current_caller
from response_svc.domain.profile_type import ProfileTypeChanges
from response_svc.usecases.change_indices import allow_index, disallow_index
from response_svc.usecases.change_profile_types import create_profile_type, delete_profile_type, update_profile_type
from response_svc.usecases.change_users import deactivate_user
from response_svc.usecases.read_profile_types import get_profile_type, list_profile_type_versions, list_profile_types
from tests.integration.response_svc.policy_world import RememberingQueue, admin, policy_context, written
from tests.integration.response_svc.world import FakeEngine, make_user, rows

if TYPE_CHECKING:
    from common.database.transaction import Database
    from response_svc.usecases.change_policy import PolicyContext
    from response_svc.usecases.change_users import UserContext

GOLD = ProfileTypeChanges(
    rate_limit_per_minute=20, rate_limit_per_hour=200, rate_limit_per_day=2000, query_kinds=("term", "match", "term")
)


@pytest.fixture
def queue() -> RememberingQueue:
    return RememberingQueue()


@pytest.fixture
def policy(database: Database, queue: RememberingQueue) -> PolicyContext:
    return policy_context(database, queue)


async def test_a_new_profile_type_has_its_revision_version_audit_row_and_export(
    database: Database, policy: PolicyContext, queue: RememberingQueue, user_context: UserContext
) -> None:
    person = await make_user(user_context, "head")
    row = await create_profile_type(policy, "gold", GOLD, caller=admin(person.id))
    assert row.content["query_kinds"] == ["match", "term"]
    assert (row.content["priority"], row.content["indices"], row.content["soft"]) == (5, ["*"], False)
    assert row.last_change.changed_by_username == "head"
    # The first four came with the installation.
    assert row.last_change.revision == 5
    [version] = (await list_profile_type_versions(policy, "gold", before=None, limit=9))[0]
    assert (version.content, version.change.revision) == (row.content, 5)
    [audit] = await rows(database, "SELECT * FROM audit_logs WHERE resource_type = 'profile_type'")
    assert (audit.action, audit.resource_id, audit.user_id) == ("profile_type.created", "gold", person.id)
    assert audit.request_data["rate_limit_per_day"] == 2000
    assert queue.woken == ["export_profile_types"]


async def test_an_update_changes_what_is_set_and_says_what_was_changed(
    database: Database, policy: PolicyContext
) -> None:
    changes = ProfileTypeChanges(soft=True, description="for many")
    row = await update_profile_type(policy, "premium", changes, revision=2, caller=admin())
    assert (row.content["soft"], row.content["description"], row.content["rate_limit_per_minute"]) == (
        True,
        "for many",
        60,
    )
    [audit] = await rows(database, "SELECT request_data FROM audit_logs")
    assert audit.request_data == {"soft": True, "description": "for many"}


async def test_a_change_without_a_difference_writes_nothing(
    database: Database, policy: PolicyContext, queue: RememberingQueue
) -> None:
    before = await written(database)
    same = ProfileTypeChanges(rate_limit_per_minute=60, query_kinds=("*",), description="")
    row = await update_profile_type(policy, "premium", same, revision=None, caller=admin())
    assert row.last_change.revision == 2
    assert await written(database) == before
    assert queue.woken == []


@pytest.mark.parametrize(
    ("changes", "field", "advice"),
    [
        (ProfileTypeChanges(rate_limit_per_minute=101), "rate_limit_per_hour", "less than the 101 a minute"),
        (ProfileTypeChanges(rate_limit_per_hour=501), "rate_limit_per_day", "less than the 501 an hour"),
        (ProfileTypeChanges(query_kinds=("match", "mtch")), "query_kinds", "did you mean"),
        (ProfileTypeChanges(query_kinds=("*", "match")), "query_kinds", "alone is all"),
        (ProfileTypeChanges(indices=("cities",)), "indices", "allow it first"),
        (ProfileTypeChanges(indices=("cit*",)), "indices", "exactly one index"),
        (ProfileTypeChanges(indices=("*", "cities")), "indices", "every allowed index"),
    ],
)
async def test_what_a_profile_type_cannot_be_is_refused_and_nothing_is_written(
    database: Database, policy: PolicyContext, changes: ProfileTypeChanges, field: str, advice: str
) -> None:
    before = await written(database)
    with pytest.raises(InvalidFieldError) as refused:
        await update_profile_type(policy, "basic", changes, revision=None, caller=admin())
    assert field in {violation.field for violation in refused.value.violations}
    assert advice in str([violation.description for violation in refused.value.violations])
    assert await written(database) == before


async def test_an_index_that_left_the_catalogue_may_stay_but_not_come_anew(policy: PolicyContext) -> None:
    engine = FakeEngine()
    await allow_index(policy, engine, "cities", description="", caller=admin())
    named = ProfileTypeChanges(indices=("cities",))
    await update_profile_type(policy, "basic", named, revision=None, caller=admin())
    await disallow_index(policy, "cities", revision=None, caller=admin())
    row = await update_profile_type(policy, "basic", ProfileTypeChanges(priority=7), revision=None, caller=admin())
    assert (row.content["indices"], row.content["priority"]) == (["cities"], 7)
    with pytest.raises(InvalidFieldError):
        await update_profile_type(policy, "premium", named, revision=None, caller=admin())


async def test_a_taken_name_is_refused(policy: PolicyContext) -> None:
    with pytest.raises(AlreadyExistsError):
        await create_profile_type(policy, "basic", ProfileTypeChanges(), caller=admin())


async def test_a_deleted_profile_type_leaves_a_mark_and_its_name_may_be_used_again(
    database: Database, policy: PolicyContext
) -> None:
    await create_profile_type(policy, "gold", GOLD, caller=admin())
    await delete_profile_type(policy, "gold", revision=5, caller=admin())
    [mark] = await rows(database, "SELECT is_deleted, revision, content FROM profile_types WHERE name = 'gold'")
    assert (mark.is_deleted, mark.revision, mark.content["rate_limit_per_day"]) == (True, 6, 2000)
    with pytest.raises(NotFoundError):
        await get_profile_type(policy, "gold")
    with pytest.raises(NotFoundError):
        await update_profile_type(policy, "gold", GOLD, revision=None, caller=admin())
    assert "gold" not in {row.key for row in (await list_profile_types(policy, after=None, limit=99))[0]}
    await create_profile_type(policy, "gold", ProfileTypeChanges(), caller=admin())
    versions, more = await list_profile_type_versions(policy, "gold", before=None, limit=2)
    assert ([version.change.revision for version in versions], more) == ([7, 6], True)
    assert versions[1].content is None
    rest, more = await list_profile_type_versions(policy, "gold", before=6, limit=2)
    assert ([version.change.revision for version in rest], more) == ([5], False)


@pytest.mark.parametrize("name", ["basic", "admin"])
async def test_what_everybody_needs_is_never_deleted(policy: PolicyContext, name: str) -> None:
    with pytest.raises(WrongStateError):
        await delete_profile_type(policy, name, revision=None, caller=admin())


async def test_one_that_users_have_is_not_deleted_and_their_number_is_told(
    policy: PolicyContext, user_context: UserContext
) -> None:
    for name in ("sara", "omid"):
        user = await make_user(user_context, name, profile_type="premium")
    await deactivate_user(user_context, user.id, caller=current_caller())
    with pytest.raises(WrongStateError, match="2 users have"):
        await delete_profile_type(policy, "premium", revision=None, caller=admin())


async def test_a_user_who_is_just_being_made_with_it_keeps_it_from_being_deleted(
    database: Database, policy: PolicyContext, user_context: UserContext
) -> None:
    """The user's transaction is open; the deletion waits for it, and then sees him."""
    sara = await make_user(user_context, "sara")
    async with database.transaction() as transaction:
        await transaction.connection.exec_driver_sql("UPDATE users SET profile_type = 'premium'")
        deleting = asyncio.create_task(delete_profile_type(policy, "premium", revision=None, caller=admin()))
        waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        async with asyncio.timeout(10):
            while not await rows(database, waiting):
                assert not deleting.done()
    with pytest.raises(WrongStateError, match="1 user has"):
        await deleting
    assert sara.profile_type == "basic"


async def test_a_change_that_is_based_on_an_older_revision_is_refused(
    database: Database, policy: PolicyContext
) -> None:
    await update_profile_type(policy, "basic", ProfileTypeChanges(priority=6), revision=1, caller=admin())
    before = await written(database)
    for revision in (1, 0, 99):
        with pytest.raises(WrongStateError) as refused:
            await update_profile_type(
                policy, "basic", ProfileTypeChanges(priority=7), revision=revision, caller=admin()
            )
        assert refused.value.metadata == {"state": "5"}
        with pytest.raises(WrongStateError):
            await delete_profile_type(policy, "premium", revision=revision, caller=admin())
    assert await written(database) == before


async def test_of_two_admins_at_once_the_last_one_wins_and_the_versions_show_both(
    database: Database, policy: PolicyContext
) -> None:
    async def change(priority: int) -> None:
        changes = ProfileTypeChanges(priority=priority)
        await update_profile_type(policy, "basic", changes, revision=None, caller=admin())

    await asyncio.gather(*(change(priority) for priority in (1, 2, 3, 4, 6, 7, 8, 9)))
    versions, _ = await list_profile_type_versions(policy, "basic", before=None, limit=99)
    assert [version.change.revision for version in versions] == [12, 11, 10, 9, 8, 7, 6, 5, 1]
    last = (await get_profile_type(policy, "basic")).content
    assert last == versions[0].content
    assert sorted(version.content["priority"] for version in versions if version.content) == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert len(await rows(database, "SELECT FROM audit_logs")) == 8


async def test_of_many_who_make_the_same_at_once_one_succeeds(policy: PolicyContext) -> None:
    made = await asyncio.gather(
        *(create_profile_type(policy, "gold", GOLD, caller=admin()) for _ in range(6)), return_exceptions=True
    )
    assert sum(isinstance(outcome, AlreadyExistsError) for outcome in made) == 5


async def test_every_process_knows_a_change_once_it_is_committed(database: Database, policy: PolicyContext) -> None:
    live = LivePolicy(database)
    await live.refresh()
    async with database.engine.connect() as listening:
        await listening.exec_driver_sql(f"LISTEN {CHANNEL}")
        await listening.commit()
        await update_profile_type(policy, "basic", ProfileTypeChanges(priority=8), revision=None, caller=admin())
        raw = (await listening.get_raw_connection()).driver_connection
        assert raw is not None
        notices = [notice async for notice in raw.notifies(timeout=10, stop_after=1)]
    assert len(notices) == 1
    await live.refresh()
    assert live.current.profile_types["basic"].limits.priority == 8
    await delete_profile_type(policy, "enterprise", revision=None, caller=admin())
    await live.refresh()
    assert "enterprise" not in live.current.profile_types
