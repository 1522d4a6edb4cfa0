"""How the replica of users follows its master, and what an old or a faulty bundle cannot do to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from airlock.bundle.v1.replication_pb2 import USER_LIMIT_PRIORITY, USER_LIMIT_RATE_PER_MINUTE
from sqlalchemy import func

from common.auth.passwords import PasswordHasher
from common.auth.tables import session_endings
from common.batches.tables import streams
from common.policy.limits import PER_MINUTE, PRIORITY
from request_svc.adapters.tables import replica_states, users
from request_svc.adapters.user_store import ReplicaAccounts, SqlUserStore
from request_svc.ports import UserFilter
from request_svc.usecases.list_users import list_users
from tests.integration.common.signing_in import a_deactivation_meanwhile_shuts_out
from tests.integration.request_svc.request_world import World, answer, principal, user_id, user_message, users_bundle
from transfer.bundle.versions import POLICY_MINOR
from transfer.errors import MalformedRecordError

if TYPE_CHECKING:
    from airlock.bundle.v1.replication_pb2 import User

    from common.database.transaction import Transaction

# In the database since the test began, by a snapshot with number 1.
SARA, OMID = user_message("sara"), user_message("omid")


def changed(user: User, **values: object) -> User:
    copy = type(user)()
    copy.CopyFrom(user)
    for name, value in values.items():
        setattr(copy, name, value)
    copy.revision += 1
    return copy


async def test_new_users_are_imported_and_changed_ones_updated_under_the_masters_ids(world: World) -> None:
    reza, mina, nima = user_message("reza"), user_message("mina"), user_message("nima")
    richer, older = changed(SARA, rate_limit_per_day=9000), changed(OMID, full_name="Omid Karimi")
    table = [richer, older, reza, mina, nima]
    counts = await world.import_users(users_bundle(table))
    assert counts == {"imported": 3, "updated": 2}
    stored = {row.id: row for row in await world.rows(users)}
    assert set(stored) == {user_id(name) for name in ("sara", "omid", "reza", "mina", "nima")}
    assert stored[user_id("sara")].rate_limit_per_day == 9000
    [state] = await world.rows(replica_states)
    assert (state.sequence, state.row_count, state.in_step) == (2, 5, True)


async def test_the_same_rows_again_change_nothing(world: World) -> None:
    counts = await world.import_users(users_bundle([SARA, OMID]))
    assert counts == {"imported": 0, "updated": 0}
    assert await world.rows(session_endings.c.id) == []


@pytest.mark.parametrize("sequence", [1, 2])
async def test_an_older_bundle_or_the_same_again_rolls_nothing_back(world: World, sequence: int) -> None:
    demoted = changed(SARA, is_active=False)
    await world.import_users(users_bundle([demoted, OMID]), sequence=2)
    counts = await world.import_users(users_bundle([SARA, OMID], snapshot=True), sequence=sequence)
    assert counts == {"imported": 0, "updated": 0, "ignored": 2}
    [row] = await world.rows(users.c.is_active, where=users.c.id == user_id("sara"))
    assert row.is_active is False


async def test_a_snapshot_makes_missing_users_inactive_and_ends_their_sessions(world: World) -> None:
    counts = await world.import_users(users_bundle([SARA], snapshot=True))
    assert counts == {"imported": 0, "updated": 0, "deactivated": 1}
    [row] = await world.rows(users, where=users.c.id == user_id("omid"))
    assert row.is_active is False
    assert row.missing_since is not None
    assert [ending.user_id for ending in await world.rows(session_endings)] == [user_id("omid")]
    [state] = await world.rows(replica_states)
    assert (state.row_count, state.in_step) == (1, True)


async def test_a_delta_leaves_the_users_alone_that_it_does_not_name(world: World) -> None:
    reza = user_message("reza")
    await world.import_users(users_bundle([reza], table=[SARA, OMID, reza]))
    assert all(row.is_active for row in await world.rows(users.c.is_active))
    [state] = await world.rows(replica_states)
    assert state.in_step


@pytest.mark.parametrize(
    "change", [{"is_active": False}, {"hashed_password": "$argon2id$another"}, {"role": "operator"}], ids=str
)
async def test_deactivation_a_new_password_and_another_role_end_the_sessions(
    world: World, change: dict[str, object]
) -> None:
    await world.import_users(users_bundle([changed(SARA, **change), OMID]))
    assert {ending.user_id for ending in await world.rows(session_endings)} == {user_id("sara")}


async def test_a_raised_session_version_ends_the_sessions(world: World) -> None:
    await world.import_users(users_bundle([changed(SARA, session_version=1), OMID]))
    assert {ending.user_id for ending in await world.rows(session_endings)} == {user_id("sara")}
    await world.import_users(users_bundle([changed(SARA, session_version=1, full_name="S."), OMID]))
    assert len(await world.rows(session_endings)) == 1, "it is the same version"


async def test_a_hash_made_anew_ends_no_session_where_the_bundle_tells_of_endings_itself(world: World) -> None:
    again = changed(SARA, hashed_password="$argon2id$again")
    counts = await world.import_users(users_bundle([again, OMID]), schema_minor=POLICY_MINOR)
    assert counts == {"imported": 0, "updated": 1}
    assert await world.rows(session_endings) == []
    new_password = changed(again, hashed_password="$argon2id$new", session_version=9)
    await world.import_users(users_bundle([new_password, OMID]), schema_minor=POLICY_MINOR)
    assert {ending.user_id for ending in await world.rows(session_endings)} == {user_id("sara")}


async def test_inherited_limits_are_kept_by_name(world: World) -> None:
    inheriting = changed(SARA)
    inheriting.inherits.extend([USER_LIMIT_RATE_PER_MINUTE, USER_LIMIT_PRIORITY])
    await world.import_users(users_bundle([inheriting, OMID]))
    async with world.database.transaction() as transaction:
        sara = await ReplicaAccounts().find_by_id(transaction.connection, user_id("sara"))
        omid = await ReplicaAccounts().find_by_id(transaction.connection, user_id("omid"))
    assert sara is not None
    assert omid is not None
    assert (sara.limits.inherits, omid.limits.inherits) == ({PER_MINUTE, PRIORITY}, frozenset())


async def test_fifty_thousand_users_come_and_are_revoked_in_one_snapshot_each(world: World) -> None:
    many = [user_message(f"user-{n:05}") for n in range(50_000)]
    counts = await world.import_users(users_bundle([SARA, OMID, *many], snapshot=True))
    assert counts == {"imported": 50_000, "updated": 0}
    revoked = [changed(user, session_version=1) for user in many]
    counts = await world.import_users(users_bundle([SARA, OMID, *revoked], snapshot=True))
    assert counts == {"imported": 0, "updated": 50_000}
    [endings] = await world.rows(func.count(session_endings.c.user_id.distinct()).label("users"))
    assert endings.users == 50_000
    [state] = await world.rows(replica_states)
    assert (state.row_count, state.in_step) == (50_002, True)


async def test_two_users_may_exchange_their_names_in_one_bundle(world: World) -> None:
    sara = changed(SARA, username="omid", email="omid@example.org")
    omid = changed(OMID, username="sara", email="sara@example.org")
    bundle = users_bundle([sara, omid])
    assert await world.import_users(bundle) == {"imported": 0, "updated": 2}
    async with world.database.transaction() as transaction:
        account = await ReplicaAccounts().find_by_username(transaction.connection, "omid")
    assert account is not None
    assert account.user_id == user_id("sara")


async def test_a_restored_masters_new_user_takes_the_name_of_one_whom_it_forgot(world: World) -> None:
    other_omid = user_message("omid", id=user_id("another omid").bytes)
    await world.import_users(users_bundle([SARA, other_omid], snapshot=True))
    async with world.database.transaction() as transaction:
        account = await ReplicaAccounts().find_by_username(transaction.connection, "omid")
    assert account is not None
    assert (account.user_id, account.is_active) == (user_id("another omid"), True)
    [old] = await world.rows(users, where=users.c.id == user_id("omid"))
    assert (old.is_active, old.username) == (False, f"omid#{old.id}")


async def test_requests_of_a_user_who_is_gone_keep_their_owner(world: World) -> None:
    request = await world.submit(caller=principal("omid"))
    await world.import_users(users_bundle([SARA], snapshot=True))
    await world.import_responses(answer(request.request_id, b"{}"))
    assert (await world.get(request.request_id, caller=principal("omid"))).request.status == "completed"


async def test_a_replica_that_differs_from_its_master_asks_for_a_snapshot_until_one_fits(world: World) -> None:
    await _begin_streams(world)
    reza = user_message("reza")
    await world.import_users(users_bundle([reza], table=[SARA, OMID, reza, user_message("unseen")]))
    assert await _wanted(world) == ["users"]
    await world.import_users(users_bundle([SARA, OMID, reza], snapshot=True))
    assert await _wanted(world) == []


FAULTY = {
    "an unknown role": lambda: users_bundle([user_message("eve", role="root")]),
    "an id of another length": lambda: users_bundle([user_message("eve", id=b"short")]),
    "a session version beyond all numbers": lambda: users_bundle([user_message("eve", session_version=2**31)]),
    "a limit beyond all numbers": lambda: users_bundle([user_message("eve", rate_limit_per_day=2**31)]),
    "two users of one name": lambda: users_bundle(
        [user_message("eve"), user_message("eve", id=b"0" * 16, email="e@e")]
    ),
    "no table state": lambda: users_bundle([user_message("eve")])[1:],
    "the table state twice": lambda: [*users_bundle([user_message("eve")]), *users_bundle([])],
    "an answer": lambda: answer(user_id("eve"), b"{}"),
    "nothing": list,
}


@pytest.mark.parametrize("make", FAULTY.values(), ids=FAULTY.keys())
async def test_a_faulty_bundle_is_refused_whole(world: World, make: object) -> None:
    with pytest.raises(MalformedRecordError):
        await world.import_users(make())  # type: ignore[operator]
    assert {row.username for row in await world.rows(users.c.username)} == {"sara", "omid"}


async def test_users_are_listed_by_name_and_prefix(world: World) -> None:
    more = [user_message(name) for name in ("sam", "samira", "zal")]
    await world.import_users(users_bundle([SARA, changed(OMID, is_active=False), *more]))
    store = SqlUserStore()

    async def names(wanted: UserFilter, after: str | None = None, limit: int = 10) -> tuple[list[str], bool]:
        found, left = await list_users(wanted, after=after, limit=limit, database=world.database, users=store)
        return [user.username for user in found], left

    assert await names(UserFilter(), limit=2) == (["omid", "sam"], True)
    assert await names(UserFilter(), after="sam") == (["samira", "sara", "zal"], False)
    assert await names(UserFilter("sam")) == (["sam", "samira"], False)
    assert await names(UserFilter(is_active=False)) == (["omid"], False)
    assert await names(UserFilter("s_m%")) == ([], False)


async def _begin_streams(world: World) -> None:
    async with world.database.transaction() as transaction:
        for direction in ("incoming", "outgoing"):
            await transaction.connection.execute(streams.insert().values(direction=direction))


async def _wanted(world: World) -> list[str]:
    [row] = await world.rows(streams.c.snapshots_wanted, where=streams.c.direction == "incoming")
    return list(row.snapshots_wanted)


async def test_one_whom_an_import_deactivates_while_he_signs_in_stays_outside(world: World) -> None:
    password = "a good password"
    hashed = await PasswordHasher.cheapest().hash(password)
    sara = user_message("sara", hashed_password=hashed)
    await world.import_users(users_bundle([sara], snapshot=True))

    async def deactivate(transaction: Transaction) -> None:
        await world.apply_users(transaction, users_bundle([changed(sara, is_active=False)]))

    await a_deactivation_meanwhile_shuts_out(
        world.database, ReplicaAccounts(), deactivate=deactivate, username="sara", password=password
    )
