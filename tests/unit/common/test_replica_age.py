"""What an old copy of the users forbids, and to whom."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from airlock.common.v1 import permission_pb2 as permissions

from common.auth.replica_age import LOCK, NO_NEW_SESSIONS, WARN, ReplicaAge, renewal_of_copies
from common.errors import ReplicaTooOldError
from common.policy.live import LivePolicy
from common.policy.policy import Policy

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

NOW = datetime(2026, 3, 1, 8, tzinfo=UTC)
NOBODY: Any = None
LIMITS = {WARN: 10, NO_NEW_SESSIONS: 20, LOCK: 30}
SUBMIT = permissions.PERMISSION_SUBMIT_REQUEST


async def aged(hours: float | None, limits: dict[str, int] | None = None) -> ReplicaAge:
    async def sealed_at(connection: AsyncConnection) -> datetime | None:
        return NOW - timedelta(hours=hours) if hours is not None else None

    policy = LivePolicy(NOBODY)
    policy.current = Policy(cast("Any", LIMITS if limits is None else limits))
    age = ReplicaAge(sealed_at, policy, lambda: NOW)
    await age.refresh(NOBODY)
    return age


async def test_a_young_copy_is_not_spoken_of() -> None:
    age = await aged(9.9)
    age.check_sign_in("user")
    assert age.admit("user", SUBMIT) == ()
    assert age.warning() is None


async def test_an_old_one_is_told_on_every_answer() -> None:
    age = await aged(10)
    age.check_sign_in("user")
    assert age.admit("user", SUBMIT) == (("x-airlock-replica-age", "36000"),)


@pytest.mark.parametrize("role", ["user", "system"])
async def test_with_an_older_one_nobody_signs_in_and_open_sessions_go_on(role: str) -> None:
    age = await aged(20)
    with pytest.raises(ReplicaTooOldError, match=r"20 hours old.*transfer take") as refused:
        age.check_sign_in(role)
    assert refused.value.metadata == {"age_hours": "20", "limit": NO_NEW_SESSIONS}
    assert age.admit(role, SUBMIT)


@pytest.mark.parametrize("role", ["user", "system"])
async def test_a_very_old_one_shuts_users_and_programs_out(role: str) -> None:
    age = await aged(30)
    with pytest.raises(ReplicaTooOldError):
        age.admit(role, SUBMIT)
    only_locked = await aged(30, {LOCK: 30, NO_NEW_SESSIONS: 0})
    with pytest.raises(ReplicaTooOldError):
        only_locked.check_sign_in(role)


@pytest.mark.parametrize("role", ["operator", "admin"])
async def test_whoever_can_import_a_newer_one_is_never_shut_out(role: str) -> None:
    age = await aged(1000)
    age.check_sign_in(role)
    assert age.admit(role, SUBMIT)


async def test_a_transfer_stations_program_may_still_bring_the_newer_one() -> None:
    assert (await aged(1000)).admit("system", permissions.PERMISSION_TRANSFER)


async def test_a_limit_of_zero_never_comes() -> None:
    age = await aged(100_000, dict.fromkeys(LIMITS, 0))
    age.check_sign_in("user")
    assert age.admit("user", SUBMIT) == ()


async def test_a_master_whose_clock_is_a_day_ahead_has_sealed_just_now() -> None:
    age = await aged(-24)
    assert age.age() == timedelta(0)
    age.check_sign_in("user")
    assert age.admit("user", SUBMIT) == ()


async def test_before_the_first_bundle_there_is_no_age() -> None:
    age = await aged(None)
    assert age.age() is None
    age.check_sign_in("user")
    assert age.admit("user", SUBMIT) == ()


@pytest.mark.parametrize(
    ("warn", "no_new_sessions", "lock", "hours"),
    [(168, 720, 0, 24), (0, 720, 70, 10), (0, 0, 7, 1), (0, 0, 0, None)],
)
def test_the_master_speaks_several_times_within_the_shortest_limit(
    warn: int, no_new_sessions: int, lock: int, hours: int | None
) -> None:
    policy = Policy(cast("Any", {WARN: warn, NO_NEW_SESSIONS: no_new_sessions, LOCK: lock}))
    assert renewal_of_copies(policy) == (timedelta(hours=hours) if hours is not None else None)
