"""The catalogue of indices on a real database, with a search engine that says what a test wants."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from common.errors import (
    AlreadyExistsError,
    InvalidFieldError,
    NotFoundError,
    UnavailableError,
    WrongStateError,
)
from response_svc.search.answers import EngineRefusedError, EngineUnavailableError, SearchUnavailableError
from response_svc.usecases.change_indices import allow_index, describe_index, disallow_index, refresh_index
from response_svc.usecases.read_indices import get_index, list_index_versions, list_indices
from response_svc.usecases.refresh_indices import refresh_indices
from tests.integration.response_svc.policy_world import RememberingQueue, admin, policy_context, written
from tests.integration.response_svc.world import FakeEngine, rows

if TYPE_CHECKING:
    from common.database.transaction import Database
    from response_svc.usecases.change_policy import PolicyContext

FIELDS = {"name": "text", "population": "long"}


@pytest.fixture
def queue() -> RememberingQueue:
    return RememberingQueue()


@pytest.fixture
def policy(database: Database, queue: RememberingQueue) -> PolicyContext:
    return policy_context(database, queue)


async def allow(policy: PolicyContext, engine: FakeEngine, *names: str) -> None:
    for name in names:
        engine.mappings.setdefault(name, {"field": "keyword"})
        await allow_index(policy, engine, name, description="", caller=admin())


async def test_an_allowed_index_has_the_fields_that_the_engine_tells(
    database: Database, policy: PolicyContext, queue: RememberingQueue, engine: FakeEngine
) -> None:
    row = await allow_index(policy, engine, "cities", description="of the world", caller=admin())
    assert row.content == {"description": "of the world", "fields": FIELDS}
    assert (await get_index(policy, "cities", revision=None)).content == row.content
    [audit] = await rows(database, "SELECT * FROM audit_logs")
    assert (audit.action, audit.resource_id, audit.request_data["fields"]) == ("index.allowed", "cities", 2)
    assert queue.woken == ["export_settings"]


async def test_an_index_is_allowed_by_its_exact_name_once(policy: PolicyContext, engine: FakeEngine) -> None:
    for name in ("cit*", "a,b", "_all", "Cities", ""):
        with pytest.raises(InvalidFieldError, match=r"name .*name exactly one index"):
            await allow_index(policy, engine, name, description="", caller=admin())
    await allow(policy, engine, "cities")
    with pytest.raises(AlreadyExistsError):
        await allow_index(policy, engine, "cities", description="again", caller=admin())


@pytest.mark.parametrize(
    ("fault", "refusal"),
    [
        (None, NotFoundError),
        (EngineUnavailableError("away"), UnavailableError),
        (SearchUnavailableError("forbidden"), UnavailableError),
        (EngineRefusedError("6000 fields"), WrongStateError),
    ],
)
async def test_an_index_whose_fields_cannot_be_read_is_not_allowed(
    database: Database, policy: PolicyContext, engine: FakeEngine, fault: Exception | None, refusal: type[Exception]
) -> None:
    if fault is not None:
        engine.mappings["flights"] = fault
    with pytest.raises(refusal):
        await allow_index(policy, engine, "flights", description="", caller=admin())
    assert await rows(database, "SELECT FROM indices") == []


async def test_a_disallowed_index_leaves_a_mark_and_may_be_allowed_again(
    database: Database, policy: PolicyContext, engine: FakeEngine
) -> None:
    await allow(policy, engine, "cities", "flights")
    await disallow_index(policy, "cities", revision=1, caller=admin())
    [mark] = await rows(database, "SELECT is_deleted, revision FROM indices WHERE name = 'cities'")
    assert (mark.is_deleted, mark.revision) == (True, 3)
    assert [row.key for row in (await list_indices(policy, after=None, limit=9))[0]] == ["flights"]
    for call in (
        get_index(policy, "cities", revision=None),
        describe_index(policy, "cities", "x", revision=None, caller=admin()),
        refresh_index(policy, engine, "cities", caller=admin()),
        disallow_index(policy, "cities", revision=None, caller=admin()),
        list_index_versions(policy, "never", before=None, limit=1),
    ):
        with pytest.raises(NotFoundError):
            await call
    await allow(policy, engine, "cities")
    versions, _ = await list_index_versions(policy, "cities", before=None, limit=9)
    assert [(version.change.revision, version.content is None) for version in versions] == [
        (4, False),
        (3, True),
        (1, False),
    ]
    assert (await get_index(policy, "cities", revision=1)).content["fields"] == FIELDS
    with pytest.raises(NotFoundError, match=r"after a change 3; .*/cities/versions"):
        await get_index(policy, "cities", revision=3)


async def test_a_description_is_changed_and_an_older_revision_refused(
    database: Database, policy: PolicyContext, engine: FakeEngine
) -> None:
    await allow(policy, engine, "cities")
    row = await describe_index(policy, "cities", "of the world", revision=1, caller=admin())
    assert row.content == {"description": "of the world", "fields": FIELDS}
    for revision in (1, 0):
        with pytest.raises(WrongStateError):
            await describe_index(policy, "cities", "other", revision=revision, caller=admin())
        with pytest.raises(WrongStateError):
            await disallow_index(policy, "cities", revision=revision, caller=admin())
    before = await written(database)
    await describe_index(policy, "cities", "of the world", revision=2, caller=admin())
    await describe_index(policy, "cities", None, revision=None, caller=admin())
    assert await written(database) == before


async def test_fields_are_read_again_and_written_only_when_they_are_others(
    database: Database, policy: PolicyContext, engine: FakeEngine
) -> None:
    await allow(policy, engine, "cities")
    before = await written(database)
    row, changed = await refresh_index(policy, engine, "cities", caller=admin())
    assert (row.last_change.revision, changed) == (1, False)
    assert await written(database) == before
    engine.mappings["cities"] = FIELDS | {"area": "double"}
    row, changed = await refresh_index(policy, engine, "cities", caller=admin())
    assert (row.content["fields"]["area"], row.last_change.revision, changed) == ("double", 2, True)


async def test_the_job_reads_all_and_keeps_what_it_cannot_read(
    database: Database, policy: PolicyContext, engine: FakeEngine
) -> None:
    await allow(policy, engine, "cities", "flights", "gone", "shut")
    engine.mappings["flights"] = {"carrier": "keyword"}
    del engine.mappings["gone"]
    engine.mappings["shut"] = SearchUnavailableError("forbidden")
    assert await refresh_indices(policy, engine) == {"read": 2, "changed": 1, "unreadable": 2}
    assert (await get_index(policy, "flights", revision=None)).content["fields"] == {"carrier": "keyword"}
    assert (await get_index(policy, "gone", revision=None)).content["fields"] == {"field": "keyword"}
    [audit] = await rows(database, "SELECT user_id FROM audit_logs WHERE action = 'index.refreshed'")
    assert audit.user_id is None


async def test_an_engine_that_is_away_changes_nothing(
    database: Database, policy: PolicyContext, engine: FakeEngine
) -> None:
    await allow(policy, engine, "cities", "flights")
    before = await written(database)
    engine.mappings = dict.fromkeys(("cities", "flights"), EngineUnavailableError("away"))
    assert await refresh_indices(policy, engine) == {"read": 0, "changed": 0, "unreadable": 1}
    assert await written(database) == before


async def test_more_indices_than_one_page_are_all_read(policy: PolicyContext, engine: FakeEngine) -> None:
    await allow(policy, engine, *(f"index-{number:03}" for number in range(51)))
    assert (await refresh_indices(policy, engine))["read"] == 51


async def test_the_answers_of_an_index_are_forgotten_whenever_it_may_have_become_another(
    database: Database, engine: FakeEngine
) -> None:
    forgotten: list[str] = []

    async def forget(index: str) -> None:
        forgotten.append(index)

    policy = policy_context(database, forget_answers=forget)
    await allow_index(policy, engine, "cities", description="", caller=admin())
    assert forgotten.pop() == "cities"
    await describe_index(policy, "cities", "Others", revision=None, caller=admin())
    await refresh_index(policy, engine, "cities", caller=admin())
    assert forgotten == [], "nothing was changed that an answer shows"
    engine.mappings["cities"] = {"name": "keyword"}
    await refresh_index(policy, engine, "cities", caller=admin())
    assert forgotten.pop() == "cities"
    await disallow_index(policy, "cities", revision=None, caller=admin())
    assert forgotten.pop() == "cities"
    await allow_index(policy, engine, "cities", description="", caller=admin())
    assert forgotten.pop() == "cities"


async def test_a_cache_that_is_away_keeps_nobody_from_changing_the_catalogue(
    database: Database, engine: FakeEngine
) -> None:
    async def forget(_index: str) -> None:
        raise UnavailableError("away")

    policy = policy_context(database, forget_answers=forget)
    await allow_index(policy, engine, "cities", description="", caller=admin())
    assert not (await get_index(policy, "cities", revision=None)).is_deleted
