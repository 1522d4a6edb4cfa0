"""Making, seeing, rotating and ending API keys: what is allowed to whom, and what happens when two do it at once."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from common.auth.api_keys import api_key_hash
from common.errors import InvalidFieldError, NotFoundError, PermissionMissingError, WrongStateError
from request_svc.adapters.tables import api_keys
from request_svc.domain.api_key import ApiKeyState
from request_svc.usecases.clean_api_keys import clean_api_keys
from tests.integration.request_svc.api_key_world import Keys, person, program
from tests.integration.request_svc.request_world import user_id

if TYPE_CHECKING:
    from request_svc.domain.api_key import ApiKey

ALL = ("submit_request", "read_request", "use_api_keys")


async def test_a_keys_text_is_kept_nowhere_but_its_hash_is(keys_of: Keys) -> None:
    key, text = await keys_of.create()
    [row] = await keys_of.world.rows(api_keys)
    assert bytes(row.key_hash) == api_key_hash(text)
    assert text.startswith(f"{row.prefix}_")
    assert text not in str(row)
    [entry] = await keys_of.trail()
    assert (entry.action, entry.user_id, entry.resource_id) == ("api_key.created", user_id("sara"), str(key.key_id))
    assert entry.metadata["scopes"] == ["submit_request", "read_request"]
    assert text not in str(entry)


async def test_a_key_is_listed_with_its_facts(keys_of: Keys) -> None:
    first, _ = await keys_of.create()
    keys_of.clock.move(minutes=1)
    second, _ = await keys_of.create(name="hourly")
    assert await keys_of.list() == [second, first]
    assert await keys_of.list(limit=1, before=(second.created_at, second.key_id)) == [first]
    assert await keys_of.list("omid", caller=person("omid")) == []


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31mred", "\u202egnp", " padded ", "\ufeffx", "a\u2028b"])
async def test_a_name_that_could_pass_for_something_else_is_refused(keys_of: Keys, name: str) -> None:
    with pytest.raises(InvalidFieldError, match="name"):
        await keys_of.create(name=name)


async def test_a_hostile_name_is_a_name(keys_of: Keys) -> None:
    name = "'); DROP TABLE api_keys; -- ${jndi:ldap://x} {0} %s کلید\u200cها"
    key, _ = await keys_of.create(name=name)
    assert (await keys_of.get(key)).name == name


@pytest.mark.parametrize("scope", ["operate", "read_users", "manage_api_keys", "signed_in", "'; --"])
async def test_a_scope_beyond_the_role_is_refused(keys_of: Keys, scope: str) -> None:
    with pytest.raises(InvalidFieldError, match="scopes must be of those"):
        await keys_of.create(scopes=["read_request", scope])


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"lifetime_days": 31}, "lifetime_days"),
        ({"lifetime_days": 2**32 - 1}, "lifetime_days"),
        ({"expires_at": timedelta(days=31)}, "expires_at"),
        ({"expires_at": timedelta(seconds=-1)}, "expires_at"),
    ],
)
async def test_a_life_beyond_the_longest_or_in_the_past_is_refused(
    keys_of: Keys, options: dict[str, Any], field: str
) -> None:
    keys_of.set(longest_life_days=30)
    if "expires_at" in options:
        options = {"expires_at": keys_of.clock() + options["expires_at"]}
    with pytest.raises(InvalidFieldError) as caught:
        await keys_of.create(**options)
    assert caught.value.violations[0].field == field


async def test_without_an_end_a_key_lives_as_long_as_any_may(keys_of: Keys) -> None:
    keys_of.set(longest_life_days=30)
    key, _ = await keys_of.create()
    assert key.expires_at == keys_of.clock() + timedelta(days=30)


async def test_of_many_at_once_no_more_are_made_than_one_may_have(keys_of: Keys) -> None:
    keys_of.set(most_per_user=3)
    made = await asyncio.gather(*(keys_of.create() for _ in range(12)), return_exceptions=True)
    assert sum(isinstance(one, WrongStateError) for one in made) == 9
    living = await keys_of.list()
    assert len(living) == 3
    await keys_of.revoke(living[0])
    await keys_of.create()


async def test_whoever_came_with_a_key_makes_none(keys_of: Keys) -> None:
    key, _ = await keys_of.create(scopes=ALL)
    with pytest.raises(PermissionMissingError):
        await keys_of.create(caller=program("sara", key))


async def test_a_program_sees_its_own_key_and_no_other(keys_of: Keys) -> None:
    key, _ = await keys_of.create(scopes=ALL)
    other, _ = await keys_of.create()
    caller = program("sara", key)
    assert await keys_of.list(caller=caller) == [key]
    assert await keys_of.get(key, caller=caller) == key
    for refused in (keys_of.get(other, caller=caller), keys_of.revoke(other, caller=caller)):
        with pytest.raises(NotFoundError):
            await refused
    with pytest.raises(NotFoundError):
        await keys_of.rotate(other, caller=caller)


async def test_an_operators_program_reaches_nobody_elses_keys(keys_of: Keys) -> None:
    mine, _ = await keys_of.create("mina", scopes=ALL)
    other, _ = await keys_of.create()
    caller = program("mina", mine)
    with pytest.raises(PermissionMissingError):
        await keys_of.list("sara", caller=caller)
    with pytest.raises(NotFoundError):
        await keys_of.revoke(other, caller=caller)


async def test_another_users_key_is_not_found(keys_of: Keys) -> None:
    key, _ = await keys_of.create()
    omid = person("omid")
    for refused in (
        keys_of.get(key, caller=omid),
        keys_of.revoke(key, caller=omid),
        keys_of.rotate(key, caller=omid),
    ):
        with pytest.raises(NotFoundError):
            await refused
    with pytest.raises(PermissionMissingError):
        await keys_of.list("sara", caller=omid)
    assert (await keys_of.get(key)).state(keys_of.clock()) is ApiKeyState.ACTIVE


async def test_operators_see_and_end_the_keys_of_users_and_the_admin_those_of_operators_too(keys_of: Keys) -> None:
    users, _ = await keys_of.create()
    operators, _ = await keys_of.create("kian")
    assert await keys_of.list("sara", caller=person("mina")) == [users]
    assert (await keys_of.revoke(users, caller=person("mina")))[0].revoked_by == user_id("mina")
    with pytest.raises(PermissionMissingError):
        await keys_of.list("kian", caller=person("mina"))
    with pytest.raises(NotFoundError):
        await keys_of.revoke(operators, caller=person("mina"))
    assert (await keys_of.revoke(operators, caller=person("root")))[1] == 1


@pytest.mark.parametrize("maker", ["mina", "root"])
async def test_services_get_their_keys_from_operators(keys_of: Keys, maker: str) -> None:
    key, _ = await keys_of.create(maker, scopes=["transfer"], user_id=user_id("etl"))
    assert (key.user_id, key.created_by) == (user_id("etl"), user_id(maker))
    rotation = await keys_of.rotate(key, caller=person(maker))
    assert rotation.new.user_id == user_id("etl")


@pytest.mark.parametrize(("maker", "owner"), [("mina", "sara"), ("root", "sara"), ("mina", "root"), ("sara", "etl")])
async def test_nobody_is_shown_a_key_of_another_person(keys_of: Keys, maker: str, owner: str) -> None:
    with pytest.raises(PermissionMissingError):
        await keys_of.create(maker, scopes=["read_request"], user_id=user_id(owner))
    if maker != "sara":
        key, _ = await keys_of.create(owner, scopes=["read_request"])
        with pytest.raises((PermissionMissingError, NotFoundError)):
            await keys_of.rotate(key, caller=person(maker))


async def test_an_inactive_user_gets_no_key(keys_of: Keys) -> None:
    await keys_of.import_people(etl={"is_active": False}, sara={"is_active": False})
    for options in ({}, {"caller": person("mina"), "user_id": user_id("etl")}):
        with pytest.raises(WrongStateError, match="inactive"):
            await keys_of.create(scopes=["read_request"], **options)


async def test_a_user_who_is_not_here_gets_no_key(keys_of: Keys) -> None:
    with pytest.raises(NotFoundError):
        await keys_of.create(caller=person("mina"), user_id=user_id("nobody"))


class TestRotation:
    async def test_the_successor_has_the_name_the_scopes_and_the_length_of_life(self, keys_of: Keys) -> None:
        old, _ = await keys_of.create(lifetime_days=40)
        keys_of.clock.move(days=30)
        rotation = await keys_of.rotate(old)
        new = rotation.new
        assert (new.name, new.scopes, new.rotated_from) == (old.name, old.scopes, old.key_id)
        assert new.expires_at == keys_of.clock() + timedelta(days=40)
        assert rotation.old.overlap_ends_at == keys_of.clock() + timedelta(hours=24)
        assert rotation.old.state(keys_of.clock()) is ApiKeyState.ROTATED
        assert [row.action for row in await keys_of.trail()] == ["api_key.created", "api_key.rotated"]

    async def test_an_overlap_never_makes_a_key_live_longer(self, keys_of: Keys) -> None:
        old, _ = await keys_of.create(lifetime_days=1)
        keys_of.clock.move(hours=23)
        rotated = (await keys_of.rotate(old, overlap_hours=100)).old
        assert rotated.ends_at == old.expires_at

    async def test_an_overlap_beyond_the_longest_is_refused_and_the_usual_one_gives_way(self, keys_of: Keys) -> None:
        keys_of.set(longest_overlap_hours=2)
        old, _ = await keys_of.create()
        with pytest.raises(InvalidFieldError, match="overlap_hours"):
            await keys_of.rotate(old, overlap_hours=3)
        assert (await keys_of.rotate(old)).old.overlap_ends_at == keys_of.clock() + timedelta(hours=2)

    async def test_a_program_rotates_itself_with_the_same_or_fewer_scopes(self, keys_of: Keys) -> None:
        old, _ = await keys_of.create(scopes=ALL)
        with pytest.raises(InvalidFieldError, match="scopes"):
            await keys_of.rotate(old, caller=program("sara", old), scopes=["transfer"])
        new = (await keys_of.rotate(old, caller=program("sara", old), scopes=["read_request"])).new
        assert new.scopes == ("read_request",)
        with pytest.raises(InvalidFieldError, match="scopes"):
            await keys_of.rotate(new, scopes=["submit_request"])
        assert (await keys_of.trail())[-1].metadata["with_key"] == str(old.key_id)

    async def test_of_two_rotations_at_once_one_wins(self, keys_of: Keys) -> None:
        old, _ = await keys_of.create()
        elsewhere = Keys(keys_of.world)
        outcomes = await asyncio.gather(
            *(where.rotate(old) for where in (keys_of, elsewhere, keys_of, elsewhere)), return_exceptions=True
        )
        assert sum(isinstance(outcome, WrongStateError) for outcome in outcomes) == 3
        assert len(await keys_of.world.rows(api_keys)) == 2

    async def test_a_rotation_and_a_revocation_at_once_leave_no_successor_of_a_revoked_chain(
        self, keys_of: Keys
    ) -> None:
        for _ in range(5):
            old, _ = await keys_of.create()
            elsewhere = Keys(keys_of.world)
            await asyncio.gather(
                keys_of.rotate(old), elsewhere.revoke(old, with_successors=True), return_exceptions=True
            )
        assert await keys_of.list() == []

    async def test_a_key_at_its_users_limit_can_be_rotated(self, keys_of: Keys) -> None:
        keys_of.set(most_per_user=1)
        old, _ = await keys_of.create()
        new = (await keys_of.rotate(old)).new
        await keys_of.rotate(new)

    async def test_what_is_over_cannot_be_rotated(self, keys_of: Keys) -> None:
        expired, _ = await keys_of.create(lifetime_days=1)
        keys_of.clock.move(days=1)
        revoked, _ = await keys_of.create()
        await keys_of.revoke(revoked)
        for key, state in ((expired, "expired"), (revoked, "revoked")):
            with pytest.raises(WrongStateError) as caught:
                await keys_of.rotate(key)
            assert caught.value.metadata == {"state": state}


class TestRevocation:
    async def test_a_second_time_changes_nothing(self, keys_of: Keys) -> None:
        key, _ = await keys_of.create()
        first, count = await keys_of.revoke(key)
        keys_of.clock.move(hours=1)
        assert count == 1
        assert await keys_of.revoke(key) == (first, 0)
        assert [row.action for row in await keys_of.trail()] == ["api_key.created", "api_key.revoked"]

    async def test_a_stolen_key_takes_all_that_came_of_it_along_and_nothing_before_it(self, keys_of: Keys) -> None:
        before, _ = await keys_of.create(scopes=ALL)
        stolen = (await keys_of.rotate(before)).new
        thiefs = (await keys_of.rotate(stolen, caller=program("sara", stolen))).new
        _, count = await keys_of.revoke(stolen, with_successors=True)
        assert count == 2
        states = {key.key_id: key.state(keys_of.clock()) for key in await keys_of.list(include_ended=True)}
        assert states == {
            before.key_id: ApiKeyState.ROTATED,
            stolen.key_id: ApiKeyState.REVOKED,
            thiefs.key_id: ApiKeyState.REVOKED,
        }

    async def test_a_program_may_end_itself(self, keys_of: Keys) -> None:
        key, _ = await keys_of.create(scopes=ALL)
        assert (await keys_of.revoke(key, caller=program("sara", key)))[1] == 1


async def test_the_clean_up_marks_what_is_over_and_forgets_it_after_a_year(keys_of: Keys) -> None:
    living, _ = await keys_of.create(lifetime_days=365)
    await keys_of.create(lifetime_days=1)
    rotated, _ = await keys_of.create(lifetime_days=365)
    successor = (await keys_of.rotate(rotated, overlap_hours=0)).new
    keys_of.clock.move(days=2)
    assert await clean_api_keys(keys_of.context) == {"ended_api_keys": 2, "forgotten_api_keys": 0}
    assert await clean_api_keys(keys_of.context) == {"ended_api_keys": 0, "forgotten_api_keys": 0}
    assert active(await keys_of.world.rows(api_keys)) == {living.key_id, successor.key_id}
    keys_of.clock.move(days=365)
    assert await clean_api_keys(keys_of.context) == {"ended_api_keys": 2, "forgotten_api_keys": 2}
    left: list[ApiKey] = await keys_of.list(include_ended=True)
    assert {key.key_id for key in left} == {living.key_id, successor.key_id}


def active(rows: list[Any]) -> set[Any]:
    return {row.id for row in rows if row.is_active}
