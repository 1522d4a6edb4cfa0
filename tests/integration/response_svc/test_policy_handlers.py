"""The three services of the policy, called as the server calls them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from airlock.response.v1 import profile_type_service_pb2 as profile_types
from airlock.response.v1 import search_policy_service_pb2 as indices
from airlock.response.v1 import settings_service_pb2 as settings

from common.errors import NotFoundError, PageTokenInvalidError, UnavailableError
from response_svc.domain.cache_state import CacheState
from response_svc.handlers.profile_types import ProfileTypeHandler
from response_svc.handlers.search_policy import SearchPolicyHandler, SearchPolicyParts
from response_svc.handlers.settings import SettingsHandler
from tests.integration.response_svc.policy_world import policy_context
from tests.integration.response_svc.world import FakeEngine, rows

if TYPE_CHECKING:
    from common.database.transaction import Database

CALL = cast("Any", None)


class ForgettingCache:
    """An AnswerCache that remembers what it was to forget."""

    def __init__(self) -> None:
        self.forgotten: list[str | None] = []
        self.away = False

    async def forget(self, index: str | None) -> None:
        if self.away:
            raise UnavailableError("away")
        self.forgotten.append(index)

    async def state(self) -> CacheState:
        return CacheState(available=False) if self.away else CacheState(available=True, hits=3, joined=1, misses=4)


async def test_a_profile_type_lives_from_its_making_to_its_end(database: Database) -> None:
    handler = ProfileTypeHandler(policy_context(database))
    made = await handler.CreateProfileType(
        profile_types.CreateProfileTypeRequest(name="gold", priority=7, query_kinds=["match"]), CALL
    )
    profile = made.profile_type
    assert (profile.priority, list(profile.query_kinds), list(profile.indices)) == (7, ["match"], ["*"])
    assert (profile.rate_limit_per_minute, profile.max_result_bytes) == (10, 33_554_432)
    assert (profile.last_change.revision, profile.last_change.changed_by) == (5, "")
    changed = await handler.UpdateProfileType(
        profile_types.UpdateProfileTypeRequest(name="gold", soft=True, description="", revision=5), CALL
    )
    assert (changed.profile_type.soft, list(changed.profile_type.query_kinds)) == (True, ["match"])
    got = await handler.GetProfileType(profile_types.GetProfileTypeRequest(name="gold"), CALL)
    assert got.profile_type == changed.profile_type
    await handler.DeleteProfileType(profile_types.DeleteProfileTypeRequest(name="gold", revision=6), CALL)
    versions = await handler.ListProfileTypeVersions(
        profile_types.ListProfileTypeVersionsRequest(name="gold", page_size=2), CALL
    )
    assert [version.HasField("profile_type") for version in versions.versions] == [False, True]
    rest = await handler.ListProfileTypeVersions(
        profile_types.ListProfileTypeVersionsRequest(name="gold", page_size=2, page_token=versions.next_page_token),
        CALL,
    )
    assert [version.change.revision for version in rest.versions] == [5]
    assert rest.next_page_token == ""


async def test_profile_types_are_paged_by_name(database: Database) -> None:
    handler = ProfileTypeHandler(policy_context(database))
    call = profile_types.ListProfileTypesRequest
    first = await handler.ListProfileTypes(call(page_size=3), CALL)
    rest = await handler.ListProfileTypes(call(page_size=3, page_token=first.next_page_token), CALL)
    names = [profile.name for reply in (first, rest) for profile in reply.profile_types]
    assert names == ["admin", "basic", "enterprise", "premium"]
    with pytest.raises(PageTokenInvalidError):
        await handler.ListProfileTypes(call(page_token="nonsense"), CALL)


async def test_a_setting_is_set_and_put_back(database: Database) -> None:
    handler = SettingsHandler(policy_context(database))
    fresh = (await handler.GetSetting(settings.GetSettingRequest(key="query.max_size"), CALL)).setting
    assert (fresh.value.int_value, fresh.least, fresh.most, fresh.is_default) == (1000, 0, 1000, True)
    assert not fresh.HasField("last_change")
    # Zero and false are values, not the absence of one.
    found = await handler.SetSetting(settings.SetSettingRequest(key="query.max_size", int_value=0), CALL)
    assert (found.setting.value.WhichOneof("kind"), found.setting.value.int_value) == ("int_value", 0)
    switch = settings.SetSettingRequest(key="query.allow_leading_wildcard", bool_value=False)
    assert (await handler.SetSetting(switch, CALL)).setting.value.WhichOneof("kind") == "bool_value"
    back = await handler.ResetSetting(settings.ResetSettingRequest(key="query.max_size", revision=1), CALL)
    assert (back.setting.value.int_value, back.setting.is_default, back.setting.last_change.revision) == (
        1000,
        True,
        3,
    )
    versions = await handler.ListSettingVersions(settings.ListSettingVersionsRequest(key="query.max_size"), CALL)
    assert [version.HasField("value") for version in versions.versions] == [False, True]
    assert versions.versions[0].change == back.setting.last_change
    listed = await handler.ListSettings(settings.ListSettingsRequest(page_size=200), CALL)
    by_key = {setting.key: setting for setting in listed.settings}
    assert not by_key["query.allow_leading_wildcard"].value.bool_value
    assert by_key["query.allow_leading_wildcard"].default_value.bool_value


async def test_an_index_is_allowed_looked_at_and_taken_back(database: Database) -> None:
    engine, cache = FakeEngine(), ForgettingCache()
    handler = SearchPolicyHandler(SearchPolicyParts(policy_context(database), engine, cast("Any", cache)))
    allowed = (await handler.AllowIndex(indices.AllowIndexRequest(name="cities", description="x"), CALL)).index
    assert [(field.name, field.type) for field in allowed.fields] == [("name", "text"), ("population", "long")]
    [listed] = (await handler.ListIndices(indices.ListIndicesRequest(), CALL)).indices
    assert (listed.name, listed.field_count, list(listed.fields)) == ("cities", 2, [])
    engine.mappings["cities"] = {"name": "keyword"}
    fresh = await handler.RefreshIndex(indices.RefreshIndexRequest(name="cities"), CALL)
    assert (fresh.changed, fresh.index.field_count) == (True, 1)
    described = await handler.UpdateIndex(indices.UpdateIndexRequest(name="cities", description="y", revision=2), CALL)
    assert described.index.description == "y"
    before = await handler.GetIndex(indices.GetIndexRequest(name="cities", revision=1), CALL)
    assert (before.index.field_count, before.index.last_change.revision) == (2, 1)
    await handler.DisallowIndex(indices.DisallowIndexRequest(name="cities"), CALL)
    versions = await handler.ListIndexVersions(indices.ListIndexVersionsRequest(name="cities"), CALL)
    assert [(version.HasField("index"), version.index.field_count) for version in versions.versions] == [
        (False, 0),
        (True, 1),
        (True, 1),
        (True, 2),
    ]
    state = await handler.GetEngineState(indices.GetEngineStateRequest(), CALL)
    assert (state.name, state.healthy) == ("fake", True)


async def test_forgetting_answers_is_audited_only_if_it_succeeded(database: Database) -> None:
    cache = ForgettingCache()
    handler = SearchPolicyHandler(SearchPolicyParts(policy_context(database), FakeEngine(), cast("Any", cache)))
    await handler.AllowIndex(indices.AllowIndexRequest(name="cities"), CALL)
    await handler.InvalidateCache(indices.InvalidateCacheRequest(index="cities"), CALL)
    await handler.InvalidateCache(indices.InvalidateCacheRequest(), CALL)
    with pytest.raises(NotFoundError):
        await handler.InvalidateCache(indices.InvalidateCacheRequest(index="citys"), CALL)
    cache.away = True
    with pytest.raises(UnavailableError):
        await handler.InvalidateCache(indices.InvalidateCacheRequest(), CALL)
    assert cache.forgotten == ["cities", None]
    audits = await rows(database, "SELECT resource_id FROM audit_logs WHERE action = 'cache.invalidated' ORDER BY id")
    assert [audit.resource_id for audit in audits] == ["cities", None]


async def test_how_the_cache_fares_is_told_and_so_is_that_it_is_away(database: Database) -> None:
    cache = ForgettingCache()
    handler = SearchPolicyHandler(SearchPolicyParts(policy_context(database), FakeEngine(), cast("Any", cache)))
    state = await handler.GetCacheState(indices.GetCacheStateRequest(), CALL)
    assert (state.available, state.hits, state.joined, state.misses, state.hit_ratio) == (True, 3, 1, 4, 0.5)
    cache.away = True
    state = await handler.GetCacheState(indices.GetCacheStateRequest(), CALL)
    assert (state.available, state.HasField("hit_ratio")) == (False, False)
