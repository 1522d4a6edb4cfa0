"""Calls with API keys over a real server: in which header, what is refused and how, and what answers say besides."""

from __future__ import annotations

import asyncio
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import grpc
import pytest
from airlock.auth.v1 import auth_service_pb2, auth_service_pb2_grpc
from airlock.request.v1 import (
    api_key_service_pb2,
    api_key_service_pb2_grpc,
    request_service_pb2,
    request_service_pb2_grpc,
    user_replica_service_pb2,
    user_replica_service_pb2_grpc,
)
from google.rpc import error_details_pb2, status_pb2

from common.auth.api_keys import new_api_key
from common.auth.context import AuthContext
from common.auth.passwords import PasswordHasher
from common.auth.revocations import Revocations
from common.auth.sessions import end_user_sessions
from common.auth.tokens import TokenIssuer
from common.handlers.auth import AuthHandler
from common.rpc.server import RpcService, build_server
from request_svc.adapters.changes import NoticedChanges
from request_svc.adapters.user_store import ReplicaAccounts, SqlUserStore
from request_svc.handlers.api_keys import ApiKeyHandler
from request_svc.handlers.requests import RequestHandler, RequestParts
from request_svc.handlers.users import UserReplicaHandler
from tests.integration.request_svc.request_world import user_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from common.auth.accounts import Account
    from tests.integration.request_svc.api_key_world import Keys

Metadata = tuple[tuple[str, str | bytes], ...]
ALL = ("submit_request", "read_request", "use_api_keys")


class Door:
    """A running server, its stubs, and who signs in there."""

    def __init__(self, keys: Keys, auth: AuthContext, channel: grpc.aio.Channel) -> None:
        self.keys = keys
        self._auth = auth
        self.auth: Any = auth_service_pb2_grpc.AuthServiceStub(channel)  # type: ignore[no-untyped-call]
        self.api_keys: Any = api_key_service_pb2_grpc.ApiKeyServiceStub(channel)  # type: ignore[no-untyped-call]
        self.requests: Any = request_service_pb2_grpc.RequestServiceStub(channel)  # type: ignore[no-untyped-call]
        self.users: Any = user_replica_service_pb2_grpc.UserReplicaServiceStub(channel)  # type: ignore[no-untyped-call]

    async def session(self, name: str) -> Metadata:
        """What somebody sends who signed in with his password."""
        async with self.keys.world.database.transaction() as transaction:
            account: Account | None = await ReplicaAccounts().find_by_id(transaction.connection, user_id(name))
        assert account is not None
        token = self._auth.tokens.issue(account, uuid4(), self.keys.clock()).text
        return (("authorization", f"Bearer {token}"),)

    async def whoami(self, metadata: Metadata) -> Any:
        return await self.auth.GetCaller(auth_service_pb2.GetCallerRequest(), metadata=metadata)


@pytest.fixture
async def door(keys_of: Keys, tmp_path: Path) -> AsyncIterator[Door]:
    world, context = keys_of.world, keys_of.context
    tokens = TokenIssuer(network="request", secret="0123456789" * 4, lifetime=timedelta(hours=1))
    auth = AuthContext(
        database=world.database,
        directory=ReplicaAccounts(),
        hasher=PasswordHasher.cheapest(),
        tokens=tokens,
        revocations=Revocations(world.database, token_lifetime=tokens.lifetime),
        policy=context.policy,
        clock=keys_of.clock,
        api_keys=keys_of.known,
    )
    changes = NoticedChanges(None, poll_seconds=0.05)
    parts = RequestParts(
        database=world.database,
        requests=world.requests,
        responses=world.responses,
        writer=world.writer,
        cache=world.cache,
        changes=changes,
        policy=context.policy,
    )
    services = [
        RpcService(
            "airlock.auth.v1.AuthService", auth_service_pb2_grpc.add_AuthServiceServicer_to_server, AuthHandler(auth)
        ),
        RpcService(
            "airlock.request.v1.ApiKeyService",
            api_key_service_pb2_grpc.add_ApiKeyServiceServicer_to_server,
            ApiKeyHandler(context),
        ),
        RpcService(
            "airlock.request.v1.RequestService",
            request_service_pb2_grpc.add_RequestServiceServicer_to_server,
            RequestHandler(parts),
        ),
        RpcService(
            "airlock.request.v1.UserReplicaService",
            user_replica_service_pb2_grpc.add_UserReplicaServiceServicer_to_server,
            UserReplicaHandler(world.database, SqlUserStore()),
        ),
    ]
    listen = f"unix:{tmp_path}/s.sock"
    server = build_server(services, auth, listen)
    await server.start()
    async with grpc.aio.insecure_channel(listen) as channel:
        yield Door(keys_of, auth, channel)
    await server.drain(0)
    await auth.close()


def in_header(text: str | bytes) -> Metadata:
    return (("x-api-key", text),)


def bearer(text: str) -> Metadata:
    return (("authorization", f"Bearer {text}"),)


async def refused(call: Any) -> tuple[str, str]:
    """The reason and the text of the refusal."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    details = dict(caught.value.trailing_metadata() or ())["grpc-status-details-bin"]
    info = error_details_pb2.ErrorInfo()
    status_pb2.Status.FromString(details).details[0].Unpack(info)  # type: ignore[arg-type] # It is bytes.
    return info.reason, caught.value.details() or ""


def creation(**changes: Any) -> api_key_service_pb2.CreateApiKeyRequest:
    return api_key_service_pb2.CreateApiKeyRequest(**{"name": "nightly", "scopes": ALL, **changes})


async def test_a_key_is_made_used_in_either_header_and_listed(door: Door) -> None:
    sara = await door.session("sara")
    made = await door.api_keys.CreateApiKey(creation(lifetime_days=30), metadata=sara)
    assert made.api_key.state == api_key_service_pb2.API_KEY_STATE_ACTIVE
    assert made.key.startswith(made.api_key.prefix)
    for metadata in (in_header(made.key), bearer(made.key), (("authorization", f"bearer  {made.key} "),)):
        caller = await door.whoami(metadata)
        assert (caller.username, caller.role, caller.api_key.id) == ("sara", "user", made.api_key.id)
        assert caller.api_key.name == "nightly"
        assert len(caller.permissions) == 3
    await door.keys.known.write_uses()
    listed = await door.api_keys.ListApiKeys(api_key_service_pb2.ListApiKeysRequest(), metadata=sara)
    [key] = listed.api_keys
    assert key.last_used_at.ToDatetime(tzinfo=UTC) == door.keys.clock()
    assert not (await door.whoami(sara)).HasField("api_key")


async def test_pages_of_keys_follow_each_other(door: Door) -> None:
    sara = await door.session("sara")
    for n in range(5):
        door.keys.clock.move(seconds=1)
        await door.api_keys.CreateApiKey(creation(name=f"key {n}"), metadata=sara)
    names, token = [], ""
    while token or not names:
        page = await door.api_keys.ListApiKeys(
            api_key_service_pb2.ListApiKeysRequest(page_size=2, page_token=token), metadata=sara
        )
        names += [key.name for key in page.api_keys]
        token = page.next_page_token
    assert names == [f"key {n}" for n in reversed(range(5))]


async def test_a_call_that_names_two_callers_is_refused(door: Door) -> None:
    _, one = await door.keys.create()
    _, other = await door.keys.create()
    token = await door.session("sara")
    for metadata in (
        (*in_header(one), *in_header(other)),
        (*in_header(one), *bearer(one)),
        (*in_header(one), *token),
        (*bearer(one), *token),
    ):
        reason, text = await refused(door.whoami(metadata))
        assert (reason, "two callers" in text) == ("TOKEN_INVALID", True)
    assert (await door.whoami((*in_header(one), *in_header(one)))).username == "sara"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ak_",
        "ak_short",
        "Bearer ak_abcdefgh",
        "eyJhbGciOiJub25lIn0.e30.",
        "ak_" + "a" * 10_000,
        "ak_'; DROP TABLE api_keys; --",
        "ak_abcdefgh_0123456789012345678901234567890123456789012_AAAAAA",
    ],
)
async def test_what_is_no_key_is_refused_without_a_query(door: Door, text: str) -> None:
    with door.keys.statements() as seen:
        assert (await refused(door.whoami(in_header(text))))[0] == "TOKEN_INVALID"
    assert seen == []


async def test_an_unknown_an_expired_and_a_revoked_key_are_told_apart(door: Door) -> None:
    key, expiring = await door.keys.create(lifetime_days=1)
    revoked, ended = await door.keys.create()
    await door.keys.revoke(revoked)
    assert (await door.whoami(in_header(expiring))).api_key.id == str(key.key_id)
    door.keys.clock.move(days=1)
    reasons = [await refused(door.whoami(in_header(text))) for text in (new_api_key().text, expiring, ended)]
    assert [reason for reason, _ in reasons] == ["TOKEN_INVALID", "TOKEN_EXPIRED", "SESSION_ENDED"]
    assert "rotate" in reasons[1][1]


async def test_a_key_calls_what_its_scopes_name_and_nothing_else(door: Door) -> None:
    _, text = await door.keys.create("mina", scopes=["read_request", "use_api_keys"])
    read = door.requests.ListRequests(request_service_pb2.ListRequestsRequest(), metadata=in_header(text))
    assert not (await read).requests
    reason, said = await refused(
        door.users.ListUsers(user_replica_service_pb2.ListUsersRequest(), metadata=in_header(text))
    )
    assert (reason, "scope read_users" in said) == ("PERMISSION_MISSING", True)
    assert (await refused(door.api_keys.CreateApiKey(creation(), metadata=in_header(text))))[0] == "PERMISSION_MISSING"


async def test_a_key_has_no_session_to_end(door: Door) -> None:
    _, text = await door.keys.create(scopes=ALL)
    reason, said = await refused(door.auth.Logout(auth_service_pb2.LogoutRequest(), metadata=in_header(text)))
    assert (reason, "sign in with name and password" in said) == ("PERMISSION_MISSING", True)
    assert (await door.whoami(in_header(text))).username == "sara"


async def test_ending_all_sessions_leaves_keys_alone(door: Door) -> None:
    _, text = await door.keys.create()
    async with door.keys.world.database.transaction() as transaction:
        await end_user_sessions(transaction.connection, user_id("sara"), at=door.keys.clock(), reason="test")
    assert (await door.whoami(in_header(text))).username == "sara"


async def test_answers_warn_of_the_end_of_a_key(door: Door) -> None:
    door.keys.set(warning_days=14)
    key, text = await door.keys.create(lifetime_days=30, scopes=ALL)
    assert await warning_in(door, text) is None
    door.keys.clock.move(days=16, seconds=1)
    said = await warning_in(door, text)
    assert said == f"{key.expires_at:%Y-%m-%dT%H:%M:%SZ}"
    listed = await door.api_keys.ListApiKeys(api_key_service_pb2.ListApiKeysRequest(), metadata=in_header(text))
    assert [one.expires_soon for one in listed.api_keys] == [True]


async def warning_in(door: Door, text: str) -> Any:
    call = door.auth.GetCaller(auth_service_pb2.GetCallerRequest(), metadata=in_header(text))
    await call
    assert "x-request-id" in dict(await call.trailing_metadata())
    return dict(await call.initial_metadata()).get("x-airlock-key-expires")


async def test_a_program_changes_over_to_its_next_key_by_itself(door: Door) -> None:
    key, text = await door.keys.create(scopes=ALL)
    rotated = await door.api_keys.RotateApiKey(
        api_key_service_pb2.RotateApiKeyRequest(id=str(key.key_id), overlap_hours=1), metadata=in_header(text)
    )
    assert rotated.rotated.state == api_key_service_pb2.API_KEY_STATE_ROTATED
    assert rotated.rotated.rotated_to == rotated.api_key.id
    again = api_key_service_pb2.RotateApiKeyRequest(id=str(key.key_id))
    assert (await refused(door.api_keys.RotateApiKey(again, metadata=in_header(text))))[0] == "WRONG_STATE"
    for one in (text, rotated.key):
        assert (await door.whoami(in_header(one))).username == "sara"
    revoked = await door.api_keys.RevokeApiKey(
        api_key_service_pb2.RevokeApiKeyRequest(id=str(key.key_id)), metadata=in_header(text)
    )
    assert revoked.revoked == 1
    assert (await refused(door.whoami(in_header(text))))[0] == "SESSION_ENDED"
    assert (await door.whoami(in_header(rotated.key))).username == "sara"


async def test_a_key_that_is_revoked_while_it_watches_is_shown_out(door: Door) -> None:
    key, text = await door.keys.create()
    request = await door.keys.world.submit(now=door.keys.clock())
    watching = door.requests.WatchRequests(
        request_service_pb2.WatchRequestsRequest(ids=[str(request.request_id)]), metadata=in_header(text)
    )
    assert (await watching.read()).request.id == str(request.request_id)
    await door.keys.revoke(key)
    async with asyncio.timeout(30):
        assert (await refused(watching.read()))[0] == "SESSION_ENDED"


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"name": "x" * 101},
        {"scopes": []},
        {"scopes": ["read_request", "read_request"]},
        {"scopes": ["x" * 65]},
        {"scopes": [f"s{n}" for n in range(33)]},
        {"lifetime_days": 0},
        {"user_id": "me"},
        {"name": "a\0b"},
    ],
)
async def test_a_field_that_breaks_its_rule_is_refused(door: Door, changes: dict[str, Any]) -> None:
    sara = await door.session("sara")
    assert (await refused(door.api_keys.CreateApiKey(creation(**changes), metadata=sara)))[0] == "INVALID_FIELD"


async def test_no_key_reaches_the_log_or_the_trail(door: Door, capsys: pytest.CaptureFixture[str]) -> None:
    made = await door.api_keys.CreateApiKey(creation(), metadata=await door.session("sara"))
    await door.whoami(in_header(made.key))
    told = capsys.readouterr()
    assert made.key not in told.out + told.err + str(await door.keys.trail())
