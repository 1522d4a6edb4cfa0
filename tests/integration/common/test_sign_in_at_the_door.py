"""Sign-in as a program meets it: its sessions, throttled attempts, and a network whose copy of the users is old."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import grpc
import pytest
import pytest_asyncio
from airlock.auth.v1 import auth_service_pb2 as pb

from common.auth.replica_age import ReplicaAge
from common.policy.policy import Policy
from tests.integration.common.accounts import PASSWORD
from tests.integration.common.door import Door, bearer, open_door, reason_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.auth.accounts import Account
    from common.auth.context import AuthContext
    from tests.integration.common.accounts import Accounts


@pytest_asyncio.fixture
async def door(auth: AuthContext, server_folder: Path) -> AsyncIterator[Door]:
    async with open_door(auth, server_folder) as opened:
        yield opened


async def signed_in(door: Door, username: str = "sara") -> Any:
    return (await door.stub.Login(pb.LoginRequest(username=username, password=PASSWORD))).tokens


async def test_sessions_are_listed_in_pages_and_the_current_one_is_marked(door: Door) -> None:
    tokens = [(await signed_in(door)).access_token for _ in range(3)]
    first = await door.stub.ListSessions(pb.ListSessionsRequest(page_size=2), metadata=bearer(tokens[0]))
    rest = await door.stub.ListSessions(
        pb.ListSessionsRequest(page_size=2, page_token=first.next_page_token), metadata=bearer(tokens[0])
    )
    assert [session.current for session in (*first.sessions, *rest.sessions)] == [False, False, True]
    assert rest.next_page_token == ""
    assert first.sessions[0].user_agent.startswith("grpc-python-asyncio")


async def test_a_session_is_ended_by_its_id_and_all_by_one_call(door: Door) -> None:
    lost, kept, current = [(await signed_in(door)).access_token for _ in range(3)]
    listed = (await door.stub.ListSessions(pb.ListSessionsRequest(), metadata=bearer(lost))).sessions
    (ours,) = [session.id for session in listed if session.current]
    await door.stub.EndSession(pb.EndSessionRequest(id=ours), metadata=bearer(current))
    assert await door.reason(lost) == "SESSION_ENDED"
    reply = await door.stub.EndAllSessions(pb.EndAllSessionsRequest(keep_current=True), metadata=bearer(current))
    assert reply.ended == 1
    assert (await door.reason(kept), await door.reason(current)) == ("SESSION_ENDED", "")
    assert (await door.stub.EndAllSessions(pb.EndAllSessionsRequest(), metadata=bearer(current))).ended == 1
    assert await door.reason(current) == "SESSION_ENDED"


async def test_a_session_that_is_not_ones_own_is_not_found(door: Door) -> None:
    token = (await signed_in(door)).access_token
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await door.stub.EndSession(pb.EndSessionRequest(id=str(uuid4())), metadata=bearer(token))
    assert reason_of(refused.value) == "NOT_FOUND"


async def test_a_blocked_name_is_told_when_to_come_again(door: Door, auth: AuthContext) -> None:
    settings: Any = {"sign_in.free_attempts_per_name": 1, "sign_in.first_delay_seconds": 60}
    auth.policy.current = Policy(settings)
    for reason in ("CREDENTIALS_WRONG", "RATE_LIMITED"):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await door.stub.Login(pb.LoginRequest(username="sara", password="guess"))
        assert reason_of(refused.value) == reason
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    trailing: Any = refused.value.trailing_metadata()
    assert 1 <= int(dict(trailing)["retry-after"]) <= 60


async def aged(auth: AuthContext, hours: int) -> AuthContext:
    async def sealed_at(_connection: AsyncConnection) -> datetime:
        return datetime.now(UTC) - timedelta(hours=hours)

    age = ReplicaAge(sealed_at, auth.policy, auth.clock)
    async with auth.database.transaction() as transaction:
        await age.refresh(transaction.connection)
    return replace(auth, replica_age=age)


async def test_the_age_of_old_copies_is_on_every_answer(auth: AuthContext, server_folder: Path) -> None:
    async with open_door(await aged(auth, 200), server_folder) as door:
        call = door.stub.GetCaller(pb.GetCallerRequest(), metadata=bearer((await signed_in(door)).access_token))
        assert (await call).replica_age_seconds // 3600 == 200
        assert int(dict(await call.initial_metadata())["x-airlock-replica-age"]) // 3600 == 200


async def test_young_copies_are_not_spoken_of(auth: AuthContext, server_folder: Path) -> None:
    async with open_door(await aged(auth, 1), server_folder) as door:
        call = door.stub.GetCaller(pb.GetCallerRequest(), metadata=bearer((await signed_in(door)).access_token))
        assert not (await call).HasField("replica_age_seconds")
        assert "x-airlock-replica-age" not in dict(await call.initial_metadata())


async def test_very_old_copies_shut_users_out_and_operators_not(
    auth: AuthContext, accounts: Accounts, sara: Account, server_folder: Path
) -> None:
    accounts.add(replace(sara, user_id=uuid4(), username="omid", role="operator"))
    async with open_door(auth, server_folder) as door:
        token = (await signed_in(door)).access_token
    auth.policy.current = Policy({"replica_age.lock_hours": 300})
    async with open_door(await aged(auth, 301), server_folder) as door:
        assert await door.reason(token) == "REPLICA_TOO_OLD"
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await signed_in(door)
        assert (reason_of(refused.value), refused.value.code()) == (
            "REPLICA_TOO_OLD",
            grpc.StatusCode.FAILED_PRECONDITION,
        )
        assert await door.reason((await signed_in(door, "omid")).access_token) == ""
