"""Settings on a real database: setting, resetting, refusals and versions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from common.errors import InvalidFieldError, NotFoundError, WrongStateError
from common.policy.live import LivePolicy
from common.policy.settings import SETTINGS
from response_svc.usecases.change_settings import reset_setting, set_setting
from response_svc.usecases.read_settings import get_setting, list_setting_versions, list_settings
from tests.integration.response_svc.policy_world import RememberingQueue, admin, policy_context, written
from tests.integration.response_svc.world import rows

if TYPE_CHECKING:
    from common.database.transaction import Database
    from response_svc.usecases.change_policy import PolicyContext

KEY = "query.max_size"


@pytest.fixture
def queue() -> RememberingQueue:
    return RememberingQueue()


@pytest.fixture
def policy(database: Database, queue: RememberingQueue) -> PolicyContext:
    return policy_context(database, queue)


async def test_every_setting_there_is_is_listed_by_key_in_pages(policy: PolicyContext) -> None:
    first, more = await list_settings(policy, after=None, limit=4)
    rest, no_more = await list_settings(policy, after=first[-1].definition.key, limit=999)
    keys = [state.definition.key for state in (*first, *rest)]
    assert keys == sorted(SETTINGS)
    assert (more, no_more) == (True, False)
    assert all(state.is_default and state.value == state.definition.default for state in first)


async def test_a_set_value_counts_and_tells_who_set_it(
    database: Database, policy: PolicyContext, queue: RememberingQueue
) -> None:
    live = LivePolicy(database)
    caller = admin()
    assert caller.principal is not None
    await set_setting(policy, KEY, 50, revision=0, caller=caller)
    await set_setting(policy, "query.allow_leading_wildcard", False, revision=None, caller=caller)
    await live.refresh()
    assert live.current.number(KEY) == 50
    assert not live.current.switch("query.allow_leading_wildcard")
    state = await get_setting(policy, KEY)
    assert (state.value, state.is_default) == (50, False)
    assert state.row is not None
    assert (state.row.last_change.revision, state.row.last_change.changed_by) == (1, caller.principal.user_id)
    audits = await rows(database, "SELECT action, resource_id, request_data FROM audit_logs ORDER BY id")
    assert [(one.action, one.resource_id, one.request_data) for one in audits] == [
        ("setting.set", KEY, {"value": 50}),
        ("setting.set", "query.allow_leading_wildcard", {"value": False}),
    ]
    assert queue.woken == ["export_settings", "export_settings"]


async def test_a_reset_setting_has_its_default_and_leaves_a_mark(database: Database, policy: PolicyContext) -> None:
    await set_setting(policy, KEY, 50, revision=None, caller=admin())
    state = await reset_setting(policy, KEY, revision=1, caller=admin())
    assert (state.value, state.is_default) == (1000, True)
    [mark] = await rows(database, "SELECT is_deleted, revision FROM settings")
    assert (mark.is_deleted, mark.revision) == (True, 2)
    versions, _ = await list_setting_versions(policy, KEY, before=None, limit=9)
    assert [version.content for version in versions] == [None, {"value": 50}]


async def test_what_changes_nothing_writes_nothing(database: Database, policy: PolicyContext) -> None:
    await reset_setting(policy, KEY, revision=0, caller=admin())
    assert (await written(database))[4] == []
    await set_setting(policy, KEY, 50, revision=None, caller=admin())
    before = await written(database)
    await set_setting(policy, KEY, 50, revision=1, caller=admin())
    assert await written(database) == before
    await reset_setting(policy, KEY, revision=None, caller=admin())
    before = await written(database)
    await reset_setting(policy, KEY, revision=None, caller=admin())
    assert await written(database) == before


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (KEY, 1001),
        (KEY, -1),
        (KEY, True),
        (KEY, 2**62),
        ("query.max_depth", 0),
        ("query.allow_leading_wildcard", 1),
    ],
)
async def test_a_value_of_another_type_or_beyond_the_bounds_is_refused(
    database: Database, policy: PolicyContext, key: str, value: int
) -> None:
    with pytest.raises(InvalidFieldError) as refused:
        await set_setting(policy, key, value, revision=None, caller=admin())
    assert refused.value.violations[0].field == "value"
    assert await rows(database, "SELECT FROM settings") == []


async def test_a_setting_that_there_is_not_is_not_found_and_the_nearest_is_named(policy: PolicyContext) -> None:
    for call in (
        get_setting(policy, "query.max_siz"),
        set_setting(policy, "query.max_siz", 1, revision=None, caller=admin()),
        reset_setting(policy, "query.max_siz", revision=None, caller=admin()),
        list_setting_versions(policy, "query.max_siz", before=None, limit=1),
    ):
        with pytest.raises(NotFoundError, match=r"query\.max_size"):
            await call


async def test_a_change_that_is_based_on_an_older_revision_is_refused(policy: PolicyContext) -> None:
    await set_setting(policy, KEY, 50, revision=0, caller=admin())
    with pytest.raises(WrongStateError):
        await set_setting(policy, KEY, 60, revision=0, caller=admin())
    with pytest.raises(WrongStateError):
        await reset_setting(policy, KEY, revision=7, caller=admin())
    assert (await get_setting(policy, KEY)).value == 50


async def test_revisions_of_many_at_once_have_no_gap_and_no_double(database: Database, policy: PolicyContext) -> None:
    """Two of the same key both see none before them; still one comes after the other."""
    keys = [KEY, KEY, "query.max_depth", "query.max_clauses", "query.max_window"]
    await asyncio.gather(
        *(set_setting(policy, key, 5 + number, revision=None, caller=admin()) for number, key in enumerate(keys))
    )
    revisions = await rows(database, "SELECT revision FROM policy_versions WHERE subject = 'setting' ORDER BY revision")
    assert [row.revision for row in revisions] == [1, 2, 3, 4, 5]
    state = await get_setting(policy, KEY)
    versions, _ = await list_setting_versions(policy, KEY, before=None, limit=9)
    assert versions[0].content == {"value": state.value}


async def test_a_later_change_waits_until_the_earlier_one_is_committed(
    database: Database, policy: PolicyContext
) -> None:
    async with database.transaction() as transaction:
        connection = transaction.connection
        await policy.settings.hold(connection)
        first = await policy.settings.write(connection, KEY, {"value": 1}, removed=False, by=None)
        overtaking = asyncio.create_task(set_setting(policy, "query.max_depth", 3, revision=None, caller=admin()))
        waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        async with asyncio.timeout(10):
            while not await rows(database, waiting):
                assert not overtaking.done()
    second = (await overtaking).row
    assert second is not None
    assert (first.last_change.revision, second.last_change.revision) == (1, 2)
