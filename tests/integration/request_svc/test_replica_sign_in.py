"""Sign-in on copies of the accounts: what a users bundle ends, whose clock counts, and what an old copy forbids."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from airlock.common.v1 import permission_pb2 as permissions

from common.auth.context import AuthContext
from common.auth.passwords import PasswordHasher
from common.auth.refresh import refresh
from common.auth.replica_age import ReplicaAge
from common.auth.revocations import Revocations
from common.auth.sign_in import sign_in
from common.auth.tokens import TokenIssuer
from common.database.notices import Notices
from common.database.transaction import Database
from common.errors import CredentialsWrongError, ReplicaTooOldError, SessionEndedError, TokenExpiredError
from common.health.checks import HealthError
from common.policy.live import LivePolicy
from common.policy.policy import Policy
from request_svc.adapters.checks import ReplicaAgeCheck
from request_svc.adapters.user_store import ReplicaAccounts, users_sealed_at
from tests.integration.common.accounts import CALLER
from tests.integration.request_svc.request_world import user_id, user_message, users_bundle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from airlock.bundle.v1.replication_pb2 import User

    from common.auth.context import TokenPair
    from tests.integration.request_svc.request_world import World

PASSWORD = "a good password"
SKEWS = [timedelta(days=-1), timedelta(0), timedelta(days=1)]


@pytest.fixture
async def auth(world: World) -> AsyncIterator[AuthContext]:
    tokens = TokenIssuer(network="request", secret="0123456789" * 4, lifetime=timedelta(hours=1))
    policy = LivePolicy(world.database)
    age = ReplicaAge(users_sealed_at, policy, lambda: datetime.now(UTC))
    made = AuthContext(
        database=world.database,
        directory=ReplicaAccounts(),
        hasher=PasswordHasher.cheapest(),
        tokens=tokens,
        revocations=Revocations(world.database, token_lifetime=tokens.lifetime, besides=age.refresh),
        policy=policy,
        replica_age=age,
    )
    yield made
    await made.close()


@pytest.fixture
async def sara(auth: AuthContext) -> User:
    return user_message("sara", hashed_password=await auth.hasher.hash(PASSWORD))


async def bring(world: World, *users: User, sealed: timedelta = timedelta(0), skew: timedelta = timedelta(0)) -> None:
    """A snapshot arrives that the master sealed so long ago, by a clock that runs ahead by `skew`."""
    world.users_sealed_at = datetime.now(UTC) - sealed + skew
    await world.import_users(users_bundle(users, snapshot=True))


def changed(user: User, **fields: object) -> User:
    result = type(user)()
    result.CopyFrom(user)
    for name, value in fields.items():
        setattr(result, name, value)
    return result


async def signed_in(auth: AuthContext) -> TokenPair:
    return await sign_in(auth, username="sara", password=PASSWORD, caller=CALLER)


@pytest.mark.parametrize("poll_only", [True, False])
async def test_a_user_whom_a_bundle_deactivates_is_out_in_every_process(
    world: World, auth: AuthContext, sara: User, poll_only: bool
) -> None:
    await bring(world, sara)
    pair = await signed_in(auth)
    elsewhere = Database(world.database.url)
    notices = Notices(None if poll_only else world.database.url)
    there = Revocations(
        elsewhere,
        token_lifetime=timedelta(hours=1),
        # The listening one would not poll within the test's patience.
        poll_seconds=0.2 if poll_only else 60.0,
        notices=notices,
    )
    await there.start()
    notices.start()
    token = auth.tokens.verify(pair.access_token)
    there.check(token)
    async with asyncio.timeout(30):
        while True:
            # Again and again, until the other process has begun to listen.
            await bring(world, sara)
            await bring(world, changed(sara, is_active=False))
            await asyncio.sleep(0.05)
            try:
                there.check(token)
            except SessionEndedError:
                break
    await notices.close()
    await there.close()
    await elsewhere.close()


@pytest.mark.parametrize("skew", SKEWS, ids=str)
async def test_a_masters_clock_that_is_a_day_off_neither_locks_out_nor_lets_in(
    world: World, auth: AuthContext, sara: User, skew: timedelta
) -> None:
    await bring(world, sara, skew=skew)
    await auth.revocations.refresh()
    before = await signed_in(auth)
    assert auth.admit(auth.authenticate(before.access_token), permissions.PERMISSION_SUBMIT_REQUEST) == ()
    await bring(world, changed(sara, is_active=False), skew=skew)
    await auth.revocations.refresh()
    with pytest.raises(SessionEndedError):
        auth.authenticate(before.access_token)
    with pytest.raises(SessionEndedError):
        await refresh(auth, refresh_token=before.refresh_token, caller=CALLER)
    with pytest.raises(CredentialsWrongError):
        await signed_in(auth)
    await bring(world, sara, skew=skew)
    await auth.revocations.refresh()
    with pytest.raises(SessionEndedError):
        auth.authenticate(before.access_token)
    assert auth.authenticate((await signed_in(auth)).access_token)


async def test_other_limits_that_a_bundle_brings_count_at_once_and_the_session_goes_on(
    world: World, auth: AuthContext, sara: User
) -> None:
    await bring(world, sara)
    before = await signed_in(auth)
    await bring(world, changed(sara, priority=9))
    await auth.revocations.refresh()
    with pytest.raises(TokenExpiredError):
        auth.authenticate(before.access_token)
    fresh = await refresh(auth, refresh_token=before.refresh_token, caller=CALLER)
    assert auth.authenticate(fresh.access_token).limits.priority == 9


async def test_the_age_is_that_of_the_last_bundle_that_was_used(world: World, auth: AuthContext, sara: User) -> None:
    await bring(world, sara, sealed=timedelta(days=31))
    await auth.revocations.refresh()
    with pytest.raises(ReplicaTooOldError, match="transfer take"):
        await signed_in(auth)
    await bring(world, sara)
    await auth.revocations.refresh()
    assert await signed_in(auth)


async def test_a_copy_that_is_too_old_shuts_open_sessions_out_where_the_admin_wants_it(
    world: World, auth: AuthContext, sara: User
) -> None:
    await bring(world, sara)
    principal = auth.authenticate((await signed_in(auth)).access_token)
    auth.policy.current = Policy({"replica_age.lock_hours": 48})
    await bring(world, sara, sealed=timedelta(hours=49))
    await auth.revocations.refresh()
    with pytest.raises(ReplicaTooOldError):
        auth.admit(principal, permissions.PERMISSION_SUBMIT_REQUEST)
    operator = replace(principal, role="operator")
    assert auth.admit(operator, permissions.PERMISSION_OPERATE) == ()


async def test_health_tells_the_age(world: World, auth: AuthContext, sara: User) -> None:
    assert auth.replica_age is not None
    check = ReplicaAgeCheck(auth.replica_age)
    with pytest.raises(HealthError, match="No users bundle"):
        await check()
    await bring(world, sara, sealed=timedelta(hours=5))
    await auth.revocations.refresh()
    assert await check() == "the users are as of 5.0 hours ago"
    await bring(world, sara, sealed=timedelta(hours=200))
    await auth.revocations.refresh()
    with pytest.raises(HealthError, match="200 hours ago"):
        await check()


async def test_a_sign_in_here_replaces_no_hash(world: World, auth: AuthContext, sara: User) -> None:
    await bring(world, sara)
    dearer = replace(auth, hasher=PasswordHasher(time_cost=2, memory_kib=16, parallelism=1, threads=1))
    await signed_in(dearer)
    dearer.hasher.close()
    async with world.database.transaction() as transaction:
        account = await ReplicaAccounts().find_by_id(transaction.connection, user_id("sara"))
    assert account is not None
    assert account.password_hash == sara.hashed_password
