"""Refused calls reach the audit trail beside the calls, in groups and within bounds, and never at their expense."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import grpc
import pytest
import pytest_asyncio
from airlock.auth.v1 import auth_service_pb2, auth_service_pb2_grpc
from airlock.common.v1 import error_reason_pb2 as reasons
from airlock.ops.v1 import streams_pb2

from common.audit.refusals import MOST_ROWS, MOST_WAITING, Refusal, RefusalWriter
from common.auth.sign_in import sign_in
from common.database.transaction import Database
from common.handlers.auth import AuthHandler
from common.rpc.errors import STATUS_CODES
from common.rpc.interceptors.refusals import AUDITED
from common.rpc.server import RpcService, build_server
from tests.integration.common.accounts import CALLER, PASSWORD
from tests.integration.common.trail import HOSTILE, trail

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from common.auth.accounts import Account
    from common.auth.context import AuthContext
    from common.database.transaction import Transaction
    from tests.integration.common.accounts import Accounts
    from tests.integration.common.operating import Networks
    from transfer.bundle.keyring import GeneratedKeys

GET_CALLER = "/airlock.auth.v1.AuthService/GetCaller"


def refusal(**changes: Any) -> Refusal:
    fields: dict[str, Any] = {"method": GET_CALLER, "reason": "TOKEN_INVALID", "status": 16, "address": "192.0.2.7"}
    return Refusal(**(fields | changes))


class Flaky(Database):
    """Does not answer while it is `away`."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.away = True
        self.failed = asyncio.Event()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        if self.away:
            self.failed.set()
            raise ConnectionRefusedError
        async with super().transaction() as transaction:
            yield transaction


@pytest_asyncio.fixture
async def writer(database: Database) -> AsyncIterator[RefusalWriter]:
    """It writes when it is told to close, or when many wait: no test waits for its second."""
    made = RefusalWriter(database, flush_seconds=3600)
    yield made
    await made.close()


@pytest_asyncio.fixture
async def auth_stub(auth: AuthContext, writer: RefusalWriter, server_folder: Path) -> AsyncIterator[Any]:
    service = RpcService(
        "airlock.auth.v1.AuthService", auth_service_pb2_grpc.add_AuthServiceServicer_to_server, AuthHandler(auth)
    )
    listen = f"unix:{server_folder / uuid4().hex[:8]}.sock"
    server = build_server([service], auth, listen, refusals=writer)
    await server.start()
    writer.start()
    async with grpc.aio.insecure_channel(listen, options=[("grpc.primary_user_agent", "a client")]) as channel:
        yield auth_service_pb2_grpc.AuthServiceStub(channel)  # type: ignore[no-untyped-call] # Generated code.
    await server.drain(0)


async def refused(call: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError):
        await call


async def test_refusals_are_written_with_user_address_agent_method_and_reason(
    auth_stub: Any, auth: AuthContext, writer: RefusalWriter, sara: Account, database: Database
) -> None:
    request = auth_service_pb2.GetCallerRequest()
    for _ in range(3):
        await refused(auth_stub.GetCaller(request))
    await refused(auth_stub.GetCaller(request, metadata=(("authorization", "Bearer a.b.c"),)))
    await refused(auth_stub.GetCaller(request, metadata=(("x-envoy-external-address", "203.0.113.9"),)))
    token = (await sign_in(auth, username="sara", password=PASSWORD, caller=CALLER)).access_token
    bearer = (("authorization", f"Bearer {token}"),)
    await auth_stub.Logout(auth_service_pb2.LogoutRequest(), metadata=bearer)
    await refused(auth_stub.GetCaller(request, metadata=bearer))
    await writer.close()
    rows = await trail(database, "call.refused")
    told = Counter((row.metadata["reason"], str(row.ip_address), row.metadata["count"]) for row in rows)
    assert told == {
        ("CREDENTIALS_MISSING", "None", 3): 1,
        ("CREDENTIALS_MISSING", "203.0.113.9", 1): 1,
        ("TOKEN_INVALID", "None", 1): 1,
        ("SESSION_ENDED", "None", 1): 1,
    }
    assert {(row.resource_type, row.resource_id, row.outcome, row.response_status) for row in rows} == {
        ("method", GET_CALLER, "refused", 16)
    }
    assert all("a client" in row.user_agent for row in rows)


async def test_what_a_call_writes_itself_is_not_written_twice(
    auth: AuthContext, sara: Account, auth_stub: Any, writer: RefusalWriter, database: Database
) -> None:
    pair = await sign_in(auth, username=sara.username, password=PASSWORD, caller=CALLER)
    await refused(auth_stub.Login(auth_service_pb2.LoginRequest(username="sara", password="wrong")))
    spent = auth_service_pb2.RefreshTokenRequest(refresh_token=pair.refresh_token)
    await auth_stub.RefreshToken(spent)
    for _ in range(2):
        await refused(auth_stub.RefreshToken(spent))
    await writer.close()
    rows = await trail(database)
    assert [row.action for row in rows if row.outcome == "refused"] == [
        "auth.sign_in_refused",
        "auth.session_ended",
        "auth.refresh_refused",
    ]


async def test_a_stranger_cannot_fill_the_trail_with_tokens_that_he_makes_up(
    auth_stub: Any, writer: RefusalWriter, database: Database
) -> None:
    for number in range(50):
        made_up = auth_service_pb2.RefreshTokenRequest(refresh_token=f"{number:043}")
        await refused(auth_stub.RefreshToken(made_up))
    await writer.close()
    rows = await trail(database)
    # A second may end meanwhile.
    assert len(rows) <= 3
    assert {(row.action, row.resource_id, row.metadata["reason"]) for row in rows} == {
        ("call.refused", "/airlock.auth.v1.AuthService/RefreshToken", "TOKEN_INVALID")
    }
    assert sum(row.metadata["count"] for row in rows) == 50


def test_every_refusal_for_who_calls_or_how_often_is_audited() -> None:
    statuses = {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.RESOURCE_EXHAUSTED}
    found = {reason for reason, status in STATUS_CODES.items() if status in statuses}
    # It says when nobody may call rather than that this one may not, and shuts the caller out all the same.
    found.add(reasons.ERROR_REASON_REPLICA_TOO_OLD)
    assert found - {reasons.ERROR_REASON_CREDENTIALS_WRONG} == AUDITED


async def test_many_are_written_without_waiting_for_the_second(writer: RefusalWriter, database: Database) -> None:
    writer.start()
    for number in range(MOST_ROWS):
        writer.note(refusal(address=f"192.0.2.{number}"))
    async with asyncio.timeout(30):
        while len(await trail(database)) < MOST_ROWS:
            pass


async def test_beyond_the_bound_they_are_counted_in_one_row(writer: RefusalWriter, database: Database) -> None:
    for number in range(MOST_WAITING + 250):
        writer.note(refusal(address=f"10.0.{number // 256}.{number % 256}"))
        writer.note(refusal(address="10.0.0.0"))
    writer.start()
    await writer.close()
    assert len(await trail(database, "call.refused")) == MOST_WAITING
    [row] = await trail(database, "audit.refusals_not_kept")
    assert (row.metadata["count"], row.outcome) == (250, "refused")
    [first] = [row for row in await trail(database, "call.refused") if str(row.ip_address) == "10.0.0.0"]
    assert first.metadata["count"] == MOST_WAITING + 251


async def test_a_database_that_is_away_loses_none_and_hinders_nobody(database: Database) -> None:
    flaky = Flaky(database.url)
    writer = RefusalWriter(flaky, flush_seconds=0.001)
    writer.start()
    for _ in range(50):
        writer.note(refusal())
        await asyncio.sleep(0)
    await flaky.failed.wait()
    writer.note(refusal())
    flaky.away = False
    await writer.close()
    await flaky.close()
    assert sum(row.metadata["count"] for row in await trail(database, "call.refused")) == 51


async def test_closing_without_a_database_ends() -> None:
    away = Database("postgresql://nobody@127.0.0.1:1/nothing")
    writer = RefusalWriter(away)
    writer.start()
    writer.note(refusal())
    await writer.close()
    await away.close()


async def test_a_strangers_agent_breaks_no_group(writer: RefusalWriter, database: Database) -> None:
    writer.note(refusal(user_agent=HOSTILE, address="not one"))
    writer.note(refusal(reason="RATE_LIMITED", status=8))
    writer.start()
    await writer.close()
    assert len(await trail(database, "call.refused")) == 2


async def test_a_call_that_a_role_does_not_allow_names_the_user(
    networks: Networks, database: Database, keys: GeneratedKeys, accounts: Accounts, sara: Account, auth: AuthContext
) -> None:
    accounts.change(sara.user_id, role="user")
    token = (await sign_in(auth, username="sara", password=PASSWORD, caller=CALLER)).access_token
    network = await networks.start("response", database, keys)
    bearer = (("authorization", f"Bearer {token}"),)
    await refused(network.ops.GetStreams(streams_pb2.GetStreamsRequest(), metadata=bearer))
    await networks.stop()
    [row] = await trail(database, "call.refused")
    assert (row.user_id, row.response_status, row.metadata["reason"]) == (sara.user_id, 7, "PERMISSION_MISSING")
