"""The whole service over gRPC: users come by a file, a question leaves in one, its answer returns in another."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import grpc
import pytest
from airlock.auth.v1 import auth_service_pb2, auth_service_pb2_grpc
from airlock.common.v1 import network_pb2
from airlock.ops.v1 import batches_pb2, jobs_pb2, ops_service_pb2_grpc
from airlock.request.v1 import (
    request_pb2,
    request_service_pb2,
    request_service_pb2_grpc,
    user_replica_service_pb2,
    user_replica_service_pb2_grpc,
    validation_pb2,
)
from airlock.request.v1.request_service_pb2 import SubmitRequestRequest
from airlock.search.v1.search_pb2 import Search
from google.api.httpbody_pb2 import HttpBody
from google.rpc import error_details_pb2, status_pb2
from sqlalchemy import text

from common.auth.passwords import PasswordHasher
from common.database.transaction import Database
from common.policy.index import AllowedIndex
from common.rpc.server import build_server
from request_svc.app import build_app
from request_svc.settings import RequestSettings
from sandbox.migrated import migrated_database
from sandbox.policy_rows import put_indices
from tests.integration.request_svc.request_world import answer, user_message, users_bundle
from tests.integration.request_svc.response_peer import ResponsePeer
from tests.unit.common.permission_table import services_of
from transfer.bundle.keyring import generate_keys

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from request_svc.app import App
    from sandbox.postgres import EmbeddedPostgres
    from transfer.bundle.keyring import GeneratedKeys

PASSWORD = "correct horse battery staple"
FOUND = b'{"took": 2, "hits": {"total": {"value": 1, "relation": "eq"}, "max_score": 1.0, "hits": []}}'
MATCH_ALL = HttpBody(content_type="application/json", data=b'{"query": {"match_all": {}}}')


class Service:
    """A running service, its stubs, and the other network."""

    def __init__(self, app: App, channel: grpc.aio.Channel, settings: RequestSettings, peer: ResponsePeer) -> None:
        self.app = app
        self.channel = channel
        self.settings = settings
        self.peer = peer
        self.auth: Any = auth_service_pb2_grpc.AuthServiceStub(channel)  # type: ignore[no-untyped-call]
        self.requests: Any = request_service_pb2_grpc.RequestServiceStub(channel)  # type: ignore[no-untyped-call]
        self.users: Any = user_replica_service_pb2_grpc.UserReplicaServiceStub(channel)  # type: ignore[no-untyped-call]
        self.ops: Any = ops_service_pb2_grpc.OpsServiceStub(channel)  # type: ignore[no-untyped-call]

    async def sign_in(self, name: str) -> tuple[tuple[str, str], ...]:
        """The metadata of that user's calls."""
        reply = await self.auth.Login(auth_service_pb2.LoginRequest(username=name, password=PASSWORD))
        return (("authorization", f"Bearer {reply.tokens.access_token}"),)

    def lay(self, kind: network_pb2.BundleKind.ValueType, pieces: Any) -> None:
        """Lays a bundle of the other network into the inbox."""
        self.peer.seal(kind, pieces, self.settings.import_dir)


@pytest.fixture
async def service(
    postgres_server: EmbeddedPostgres, redis_url: str, keys: GeneratedKeys, tmp_path: Path
) -> AsyncIterator[Service]:
    """A service on a fresh database, with three users who came by a bundle."""
    name = f"request_{uuid4().hex}"
    database_url = migrated_database(postgres_server, "request", name)
    settings = RequestSettings(
        _env_file=None,
        sandbox=True,
        database_url=database_url,
        redis_url=redis_url,
        secret_key="0123456789abcdef" * 4,
        export_dir=tmp_path / "export",
        import_dir=tmp_path / "import",
        encryption_keyring_file=keys.keyring,
        signing_key_file=keys.request_signing_key,
        peer_signing_keys_file=keys.response_public_key,
        argon2_time_cost=1,
        argon2_memory_kib=8,
        argon2_parallelism=1,
    )  # type: ignore[call-arg] # _env_file is pydantic-settings' own argument.
    app = await build_app(settings)
    app.exchange.context.outbox.make_folders()
    app.exchange.context.inbox.make_folders()
    server = build_server(app.rpc_services, app.auth, f"unix:{tmp_path}/s.sock", limits=app.limits)
    await server.start()
    async with grpc.aio.insecure_channel(f"unix:{tmp_path}/s.sock") as channel:
        opened = Service(app, channel, settings, ResponsePeer(keys, epoch=int(time.time())))
        opened.lay(network_pb2.BUNDLE_KIND_USERS, await _users())
        report = await app.exchange.import_waiting()
        assert report.counts["users_imported"] == 3, report
        owner = Database(postgres_server.url(name), pool_size=1)
        await put_indices(owner, AllowedIndex("cities", "", {"name": "text"}), AllowedIndex("flights"))
        await owner.close()
        await app.auth.policy.refresh()
        yield opened
    await server.drain(0)
    await app.close()


async def _users() -> Any:
    hasher = PasswordHasher.cheapest()
    hashed = await hasher.hash(PASSWORD)
    hasher.close()
    everyone = [
        user_message("sara", hashed_password=hashed),
        user_message("omid", hashed_password=hashed),
        user_message("mina", hashed_password=hashed, role="operator"),
    ]
    return users_bundle(everyone, snapshot=True)


def _submit(**options: Any) -> request_service_pb2.SubmitRequestRequest:
    values: dict[str, Any] = {"index": "cities", "body": MATCH_ALL}
    return request_service_pb2.SubmitRequestRequest(**{**values, **options})


def _reason(error: grpc.aio.AioRpcError) -> str:
    details = dict(error.trailing_metadata() or ())["grpc-status-details-bin"]
    info = error_details_pb2.ErrorInfo()
    status_pb2.Status.FromString(details).details[0].Unpack(info)
    return info.reason


async def test_the_service_offers_what_its_descriptors_describe(service: Service) -> None:
    assert {offered.name for offered in service.app.rpc_services} == services_of("request")


async def test_a_question_goes_out_and_its_answer_comes_back(service: Service) -> None:
    sara = await service.sign_in("sara")
    submitted = (await service.requests.SubmitRequest(_submit(priority=4), metadata=sara)).request
    assert (submitted.status, submitted.index, submitted.query_type, submitted.priority) == (
        request_pb2.REQUEST_STATUS_PENDING,
        "cities",
        "match_all",
        4,
    )
    report = await service.app.exchange.export(network_pb2.BUNDLE_KIND_REQUESTS)
    assert report.records == 1
    [record] = service.peer.take(service.settings.export_dir / "requests")
    assert record.request.id == UUID(submitted.id).bytes
    service.lay(network_pb2.BUNDLE_KIND_RESPONSES, answer(UUID(submitted.id), FOUND))
    assert (await service.app.exchange.import_waiting()).counts["responses_completed"] == 1

    asked = request_service_pb2.GetRequestRequest(id=submitted.id)
    reply = await service.requests.GetRequest(asked, metadata=sara)
    assert reply.request.status == request_pb2.REQUEST_STATUS_COMPLETED
    assert reply.response.data["hits"]["max_score"] == 1.0
    assert reply.response.result_path == f"/api/v1/requests/{submitted.id}/result"
    assert [request_pb2.TimelineStep.Name(event.step).removeprefix("TIMELINE_STEP_") for event in reply.timeline] == [
        "CREATED",
        "SEALED",
        "ACKNOWLEDGED",
        "EXECUTED",
        "ANSWER_SEALED",
        "RECEIVED",
    ]
    assert reply.timeline[1].sequence == 1
    pieces = service.requests.GetRequestResult(
        request_service_pb2.GetRequestResultRequest(id=submitted.id), metadata=sara
    )
    assert b"".join([piece.data async for piece in pieces]) == FOUND
    # The answer is at hand in Redis; without it the database answers.
    assert await service.app.redis.get(f"answer:{submitted.id}") == FOUND
    await service.app.redis.flushdb()
    assert (await service.requests.GetRequest(asked, metadata=sara)).response.data == reply.response.data


async def test_an_imported_user_signs_in_with_his_own_password_under_the_masters_id(service: Service) -> None:
    sara = await service.sign_in("SARA")
    caller = await service.auth.GetCaller(auth_service_pb2.GetCallerRequest(), metadata=sara)
    assert caller.user_id == str(UUID(bytes=user_message("sara").id))
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await service.auth.Login(auth_service_pb2.LoginRequest(username="sara", password="wrong"))
    assert _reason(refused.value) == "CREDENTIALS_WRONG"


async def test_refusals_reach_the_caller_with_their_reason(service: Service) -> None:
    sara, omid = await service.sign_in("sara"), await service.sign_in("omid")
    submitted = (await service.requests.SubmitRequest(_submit(), metadata=sara)).request
    get, result = request_service_pb2.GetRequestRequest, request_service_pb2.GetRequestResultRequest
    pending = service.requests.GetRequestResult(result(id=submitted.id), metadata=sara)
    typed = Search(size=1001)
    refusals = [
        (service.requests.GetRequest(get(id=submitted.id), metadata=omid), "NOT_FOUND"),
        (service.requests.GetRequest(get(id="not-a-uuid"), metadata=sara), "INVALID_FIELD"),
        (service.requests.GetRequest(get(id=str(uuid4())), metadata=sara), "NOT_FOUND"),
        (pending.read(), "RESULT_NOT_READY"),
        (service.requests.SubmitRequest(_submit(index="salaries"), metadata=sara), "INDEX_NOT_ALLOWED"),
        (service.requests.SubmitRequest(_submit(priority=6), metadata=sara), "PERMISSION_MISSING"),
        (service.requests.SubmitRequest(_submit(body=HttpBody(data=b'{"qery":{}}')), metadata=sara), "QUERY_INVALID"),
        (service.requests.SubmitRequest(_submit(body=None), metadata=sara), "INVALID_FIELD"),
        (service.requests.SubmitRequest(_submit(body=None, search=typed), metadata=sara), "INVALID_FIELD"),
        (service.users.ListUsers(user_replica_service_pb2.ListUsersRequest(), metadata=sara), "PERMISSION_MISSING"),
        (service.requests.SubmitRequest(_submit()), "CREDENTIALS_MISSING"),
    ]
    for call, reason in refusals:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call
        assert _reason(refused.value) == reason, refused.value.details()


async def test_lists_carry_tokens_that_continue_only_their_own_question(service: Service) -> None:
    sara = await service.sign_in("sara")
    made = [(await service.requests.SubmitRequest(_submit(), metadata=sara)).request.id for _ in range(5)]
    first = await service.requests.ListRequests(request_service_pb2.ListRequestsRequest(page_size=3), metadata=sara)
    second = await service.requests.ListRequests(
        request_service_pb2.ListRequestsRequest(page_size=3, page_token=first.next_page_token), metadata=sara
    )
    assert [one.id for one in (*first.requests, *second.requests)] == made[::-1]
    assert second.next_page_token == ""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await service.requests.ListRequests(
            request_service_pb2.ListRequestsRequest(index="flights", page_token=first.next_page_token), metadata=sara
        )
    assert _reason(refused.value) == "PAGE_TOKEN_INVALID"


async def test_a_watch_tells_each_change_and_ends_with_the_last_request(service: Service) -> None:
    sara = await service.sign_in("sara")
    submitted = [(await service.requests.SubmitRequest(_submit(), metadata=sara)).request for _ in range(2)]
    watch = service.requests.WatchRequests(
        request_service_pb2.WatchRequestsRequest(ids=[one.id for one in submitted], timeout_seconds=60), metadata=sara
    )
    seen: dict[str, list[int]] = {one.id: [(await watch.read()).request.status] for one in submitted}
    cancel = request_service_pb2.CancelRequestRequest(id=submitted[0].id)
    await service.requests.CancelRequest(cancel, metadata=sara)
    first_change = (await watch.read()).request
    assert (first_change.id, first_change.status) == (submitted[0].id, request_pb2.REQUEST_STATUS_CANCELLED)
    await service.app.exchange.export(network_pb2.BUNDLE_KIND_REQUESTS)
    service.peer.take(service.settings.export_dir / "requests")
    service.lay(network_pb2.BUNDLE_KIND_RESPONSES, answer(UUID(submitted[1].id), FOUND))
    await service.app.exchange.import_waiting()
    while (change := await watch.read()) is not grpc.aio.EOF:
        seen[change.request.id].append(change.request.status)
    assert seen[submitted[1].id][-1] == request_pb2.REQUEST_STATUS_COMPLETED


async def test_a_watch_of_everything_sees_a_request_that_is_made_later(service: Service) -> None:
    sara, omid = await service.sign_in("sara"), await service.sign_in("omid")
    watch = service.requests.WatchRequests(request_service_pb2.WatchRequestsRequest(timeout_seconds=30), metadata=sara)
    reading = asyncio.ensure_future(watch.read())
    await watch.initial_metadata()
    await service.requests.SubmitRequest(_submit(), metadata=omid)
    submitted = (await service.requests.SubmitRequest(_submit(), metadata=sara)).request
    assert (await reading).request.id == submitted.id
    watch.cancel()


async def test_a_watch_ends_when_its_time_is_up(service: Service) -> None:
    sara = await service.sign_in("sara")
    submitted = (await service.requests.SubmitRequest(_submit(), metadata=sara)).request
    watch = service.requests.WatchRequests(
        request_service_pb2.WatchRequestsRequest(ids=[submitted.id], timeout_seconds=1), metadata=sara
    )
    assert [one.request.id async for one in watch] == [submitted.id]


async def test_a_watch_ends_with_the_session_that_opened_it(service: Service) -> None:
    sara = await service.sign_in("sara")
    watch = service.requests.WatchRequests(request_service_pb2.WatchRequestsRequest(timeout_seconds=60), metadata=sara)
    await watch.initial_metadata()
    await service.auth.Logout(auth_service_pb2.LogoutRequest(), metadata=sara)
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await watch.read()
    assert _reason(ended.value) == "SESSION_ENDED"


async def test_a_users_file_of_a_forged_signer_changes_nothing(
    service: Service, keys: GeneratedKeys, tmp_path: Path
) -> None:
    strangers = generate_keys(tmp_path / "strangers")
    forger = ResponsePeer(replace(keys, response_signing_key=strangers.response_signing_key), epoch=int(time.time()))
    eve = users_bundle([user_message("eve", role="admin")], snapshot=True)
    forger.seal(network_pb2.BUNDLE_KIND_USERS, eve, service.settings.import_dir)
    report = await service.app.exchange.import_waiting()
    assert [batch.defect for batch in report.batches] == ["unknown-signer"]
    async with service.app.database.transaction() as transaction:
        names = await transaction.connection.scalars(text("SELECT username FROM users WHERE is_active ORDER BY 1"))
    assert list(names) == ["mina", "omid", "sara"]


async def test_operators_see_users_batches_and_jobs(service: Service) -> None:
    mina = await service.sign_in("mina")
    users = await service.users.ListUsers(user_replica_service_pb2.ListUsersRequest(page_size=2), metadata=mina)
    assert [user.username for user in users.users] == ["mina", "omid"]
    rest = user_replica_service_pb2.ListUsersRequest(page_size=2, page_token=users.next_page_token)
    assert [user.username for user in (await service.users.ListUsers(rest, metadata=mina)).users] == ["sara"]
    one = user_replica_service_pb2.GetUserRequest(id=users.users[0].id)
    assert (await service.users.GetUser(one, metadata=mina)).user.role == "operator"
    imports = await service.ops.ListImportBatches(batches_pb2.ListImportBatchesRequest(), metadata=mina)
    assert [batch.kind for batch in imports.batches] == [network_pb2.BUNDLE_KIND_USERS]
    jobs = await service.ops.ListJobs(jobs_pb2.ListJobsRequest(), metadata=mina)
    assert {job.name for job in jobs.jobs} == {
        "export_requests",
        "import_users",
        "import_profile_types",
        "import_settings",
        "import_responses",
        "seal_audit",
        "clean_up",
    }


def _batch(*sizes: int, **options: Any) -> request_service_pb2.SubmitRequestsRequest:
    questions = [SubmitRequestRequest(index="cities", search=Search(size=size)) for size in sizes]
    return request_service_pb2.SubmitRequestsRequest(requests=questions, **options)


async def test_several_questions_go_out_in_their_order(service: Service) -> None:
    sara = await service.sign_in("sara")
    call = service.requests.SubmitRequests(_batch(3, 1, 2), metadata=sara)
    made = (await call).requests
    assert dict(await call.initial_metadata())["x-ratelimit-remaining"] == "7"
    assert (await service.app.exchange.export(network_pb2.BUNDLE_KIND_REQUESTS)).records == 3
    records = service.peer.take(service.settings.export_dir / "requests")
    assert [record.request.id for record in records] == [UUID(one.id).bytes for one in made]
    assert [record.request.search.size for record in records] == [3, 1, 2]


async def test_a_batch_is_held_to_the_limits_as_a_whole(service: Service) -> None:
    sara = await service.sign_in("sara")
    await service.requests.SubmitRequests(_batch(*[1] * 6), metadata=sara)
    with pytest.raises(grpc.aio.AioRpcError) as later:
        await service.requests.SubmitRequests(_batch(*[1] * 5), metadata=sara)
    assert _reason(later.value) == "RATE_LIMITED"
    assert "retry-after" in dict(later.value.trailing_metadata() or ())
    await service.requests.SubmitRequests(_batch(*[1] * 4), metadata=sara)
    with pytest.raises(grpc.aio.AioRpcError, match="send fewer at once") as never:
        await service.requests.SubmitRequests(_batch(*[1] * 11), metadata=sara)
    assert "retry-after" not in dict(never.value.trailing_metadata() or ())


async def test_a_refused_batch_names_its_questions_with_their_reasons(service: Service) -> None:
    sara = await service.sign_in("sara")
    request = _batch(1)
    request.requests.add(index="cities", body=HttpBody(data=b'{"size": 1001}'))
    request.requests.add(index="salaries").search.size = 1
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await service.requests.SubmitRequests(request, metadata=sara)
    assert _reason(refused.value) == "QUERY_LIMIT"
    status = status_pb2.Status.FromString(dict(refused.value.trailing_metadata() or ())["grpc-status-details-bin"])
    violations = error_details_pb2.BadRequest()
    status.details[1].Unpack(violations)
    assert [(one.field, one.reason) for one in violations.field_violations] == [
        ("requests[1].size", "QUERY_LIMIT"),
        ("requests[2].index", "INDEX_NOT_ALLOWED"),
    ]


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (request_service_pb2.SubmitRequestsRequest(), "body"),
        (_batch(1, body=MATCH_ALL), "body"),
        (_batch(*[1] * 101), "requests"),
        (request_service_pb2.SubmitRequestsRequest(requests=[SubmitRequestRequest(index="")]), "requests[0].index"),
        (_batch(1, 1001), "requests[1].search.size"),
    ],
    ids=["neither", "both", "too many", "no index", "beyond a field's rule"],
)
async def test_a_batch_of_no_form_is_refused(
    service: Service, request_: request_service_pb2.SubmitRequestsRequest, field: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError, match=re.escape(field)) as refused:
        await service.requests.SubmitRequests(request_, metadata=await service.sign_in("sara"))
    assert _reason(refused.value) == "INVALID_FIELD"


async def test_a_question_is_validated_without_using_up_a_submission(service: Service) -> None:
    sara = await service.sign_in("sara")
    request = request_service_pb2.ValidateRequestRequest(index="cities", body=MATCH_ALL, priority=4)
    call = service.requests.ValidateRequest(request, metadata=sara)
    told = await call
    assert (told.engine_body, told.query_type, told.priority) == ('{"query":{"match_all":{}}}', "match_all", 4)
    assert told.cost.cost_class == validation_pb2.COST_CLASS_LOW
    assert dict(await call.initial_metadata())["x-ratelimit-limit"] == "100"
    assert not (await service.requests.ListRequests(request_service_pb2.ListRequestsRequest(), metadata=sara)).requests
    request.index = "salaries"
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await service.requests.ValidateRequest(request, metadata=sara)
    assert _reason(refused.value) == "INDEX_NOT_ALLOWED"


async def test_warnings_tell_kind_place_and_advice(service: Service) -> None:
    search = Search(size=500)
    search.query.term["name"].value.string_value = "Tehran"
    request = request_service_pb2.ValidateRequestRequest(index="cities", search=search)
    told = await service.requests.ValidateRequest(request, metadata=await service.sign_in("sara"))
    assert [(one.kind, one.path) for one in told.warnings] == [
        (validation_pb2.QUERY_WARNING_KIND_TERM_ON_TEXT, "query.term.name"),
        (validation_pb2.QUERY_WARNING_KIND_LARGE_DOCUMENTS, "size"),
    ]
    assert [(one.name, one.type) for one in told.fields] == [("name", "text")]
    assert told.cost.cost_class == validation_pb2.COST_CLASS_MEDIUM
    assert [reason.path for reason in told.cost.reasons] == ["size"]
