"""Both networks in one process, with a folder as the stick, so that a story across the gap is a few lines of verbs.

Everything is real: both services put together by their own composition roots, PostgreSQL, Valkey, the built-in search
engine, bundles on disk, and calls through a gRPC server with all its interceptors. Only Envoy and the schedules are
absent: a story says itself when something is exported, carried, imported and executed.
"""

from __future__ import annotations

import shutil
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import grpc
from airlock.auth.v1.auth_service_pb2 import LoginRequest
from airlock.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from airlock.request.v1 import request_service_pb2 as requests
from airlock.request.v1.request_pb2 import RequestStatus
from airlock.request.v1.request_service_pb2_grpc import RequestServiceStub
from airlock.response.v1.user_service_pb2 import CreateUserRequest, DeactivateUserRequest
from airlock.response.v1.user_service_pb2_grpc import UserServiceStub
from google.api.httpbody_pb2 import HttpBody
from sqlalchemy import make_url, text

from common.batches.steps import no_steps
from common.database.transaction import Database
from common.rpc.caller import current_caller
from common.rpc.server import build_server
from request_svc.app import build_app as build_request_app
from request_svc.settings import RequestSettings
from response_svc.app import build_app as build_response_app
from response_svc.settings import ResponseSettings
from response_svc.usecases.change_indices import allow_index, disallow_index
from response_svc.usecases.create_admin import create_admin
from sandbox.postgres import SUPERUSER
from transfer.bundle.names import kind_from_name
from transfer.bundle.peek import peek
from transfer.spool.deliver import deliver
from transfer.spool.inbox import Inbox
from transfer.spool.take import take

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AsyncExitStack
    from pathlib import Path

    from airlock.request.v1.request_pb2 import Request
    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.batches.reports import ExportReport, ImportReport
    from common.batches.steps import Step
    from common.rpc.server import RpcServer
    from common.settings import NetworkSettings
    from transfer.bundle.keyring import GeneratedKeys

PASSWORD = "a password for stories"
ALLOWED = "cities"
# The Request Network still believes that this one may be asked too; the Response Network decides.
ALLOWED_UNTIL_CARRIED = "personnel"
REPLICATED = ("profile_types", "settings", "users")
CHEAP = {"argon2_time_cost": 1, "argon2_memory_kib": 8, "argon2_parallelism": 1}
TEHRAN = b'{"query": {"match": {"alternate_names": "\xd8\xaa\xd9\x87\xd8\xb1\xd8\xa7\xd9\x86"}}, "size": 1}'


class StoryClock:
    """The time of both networks' batches: the real one, moved by what a story says."""

    def __init__(self) -> None:
        self.moved = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.moved


@dataclass(frozen=True, slots=True)
class Place:
    """Where one story's networks may put things."""

    folder: Path
    request_database_url: str
    response_database_url: str
    request_redis_url: str
    response_redis_url: str
    search_folder: Path
    elasticsearch_url: str | None = None


class Side:
    """One network: its service, its server and a channel to it."""

    def __init__(self, app: Any, settings: NetworkSettings, folder: Path, clock: StoryClock) -> None:
        inbox = Inbox(settings.import_dir, clock)
        self.app = app
        self._change_context(clock=clock, inbox=inbox)
        self.settings = settings
        self.export_dir = settings.export_dir
        self.import_dir = settings.import_dir
        self._address = f"unix:{folder / settings.network_name}.sock"
        self._server: RpcServer = build_server(
            app.rpc_services, app.auth, self._address, limits=app.limits, refusals=app.refusals
        )
        self.channel = grpc.aio.insecure_channel(self._address)

    async def open(self) -> None:
        self.app.exchange.context.outbox.make_folders()
        self.app.exchange.context.inbox.make_folders()
        await self._server.start()

    async def close(self) -> None:
        await self.channel.close()
        await self._server.drain(0)
        await self.app.close()

    async def sign_in(self, username: str) -> tuple[tuple[str, str], ...]:
        """The metadata of a signed-in caller."""
        login = LoginRequest(username=username, password=PASSWORD)
        tokens = (await AuthServiceStub(self.channel).Login(login)).tokens
        return (("authorization", f"Bearer {tokens.access_token}"),)

    async def export(self, kind: str) -> ExportReport:
        """Seals everything of a kind that waits here."""
        report: ExportReport = await self.app.exchange.export(kind_from_name(kind))
        return report

    async def import_(self) -> ImportReport:
        """Applies what lies in the inbox."""
        report: ImportReport = await self.app.exchange.import_waiting()
        return report

    def break_at(self, step: Step, error: BaseException) -> None:
        """Lets every export and import here fail when it comes to `step`, until `mend`."""

        def fail(passed: Step) -> None:
            if passed is step:
                raise error

        self._change_context(steps=fail)

    def mend(self) -> None:
        """Nothing fails any more."""
        self._change_context(steps=no_steps)

    def _change_context(self, **changes: Any) -> None:
        exchange = self.app.exchange
        self.app = replace(self.app, exchange=replace(exchange, context=replace(exchange.context, **changes)))

    def bundles(self, kind: str) -> list[Path]:
        """What waits to be carried, the oldest first."""
        paths = (self.export_dir / kind).glob(f"{kind}_*.pb.enc")
        return sorted(paths, key=lambda path: peek(path).header.sequence)

    async def value(self, statement: str, **values: Any) -> Any:
        """The one value that a statement gives here."""
        async with self.app.database.transaction() as transaction:
            return await transaction.connection.scalar(text(statement), values)

    @asynccontextmanager
    async def as_superuser(self) -> AsyncIterator[AsyncConnection]:
        """A transaction on the database in which everything may be done."""
        url = make_url(self.settings.database_url.get_secret_value()).set(username=SUPERUSER)
        database = Database(url.render_as_string(hide_password=False), pool_size=1)
        try:
            async with database.transaction() as transaction:
                yield transaction.connection
        finally:
            await database.close()

    async def run(self, statement: str, **values: Any) -> None:
        """Does to the database what no service would."""
        async with self.app.database.transaction() as transaction:
            await transaction.connection.execute(text(statement), values)

    def reasons(self) -> list[str]:
        """Why each file was set aside, as the file beside it says."""
        return [path.read_text() for path in (self.import_dir / "quarantine").rglob("*.reason.json")]

    def quarantined(self) -> list[str]:
        """What was set aside, by the names under which it came."""
        paths = (self.import_dir / "quarantine").rglob("*.pb.enc")
        return sorted(path.name.partition("_")[2] for path in paths)


class User:
    """Somebody who asks."""

    def __init__(self, side: Side, metadata: tuple[tuple[str, str], ...]) -> None:
        self._stub = RequestServiceStub(side.channel)
        self._metadata = metadata

    async def submit(self, body: bytes = TEHRAN, *, index: str = "cities", **options: Any) -> str:
        """Asks; returns the request's id."""
        message = requests.SubmitRequestRequest(index=index, body=HttpBody(data=body), **options)
        return (await self._stub.SubmitRequest(message, metadata=self._metadata)).request.id

    async def request(self, request_id: str) -> Request:
        """How it stands."""
        message = requests.GetRequestRequest(id=request_id)
        return (await self._stub.GetRequest(message, metadata=self._metadata)).request

    async def status(self, request_id: str) -> str:
        """Its status in one word."""
        name = RequestStatus.Name((await self.request(request_id)).status)
        return name.removeprefix("REQUEST_STATUS_").lower()

    async def answer(self, request_id: str) -> bytes:
        """The engine's bytes."""
        message = requests.GetRequestResultRequest(id=request_id)
        return b"".join([piece.data async for piece in self._stub.GetRequestResult(message, metadata=self._metadata)])

    async def cancel(self, request_id: str) -> None:
        """Gives it up."""
        await self._stub.CancelRequest(requests.CancelRequestRequest(id=request_id), metadata=self._metadata)


class TwoNetworks:
    """The two sides and the stick between them."""

    def __init__(self, request: Side, response: Side, stick: Path, clock: StoryClock) -> None:
        self.request = request
        self.response = response
        self.stick = stick
        self.clock = clock

    async def shut_out(self, username: str) -> None:
        """Deactivates a user on the Response Network; nothing is carried."""
        metadata = await self.response.sign_in("admin")
        user_id = await self.response.value("SELECT id::text FROM users WHERE username = :name", name=username)
        message = DeactivateUserRequest(id=user_id)
        await UserServiceStub(self.response.channel).DeactivateUser(message, metadata=metadata)

    async def bring_user(self, username: str = "sara", **fields: Any) -> User:
        """Makes a user on the Response Network, carries him over with what he may ask, and signs him in."""
        await self.make_user(await self.response.sign_in("admin"), username, **fields)
        for kind in REPLICATED:
            await self.response.export(kind)
        self.carry(self.response, self.request)
        await self.request.import_()
        await self._take_one_index_back()
        return User(self.request, await self.request.sign_in(username))

    async def _take_one_index_back(self) -> None:
        """The admin takes an index back once the other network was told of it; nobody carries that over."""
        policy = self.response.app.policy
        await self.request.app.auth.policy.refresh()
        if ALLOWED_UNTIL_CARRIED in self.response.app.auth.policy.current.indices:
            await disallow_index(policy, ALLOWED_UNTIL_CARRIED, revision=None, caller=current_caller())
            await self.response.app.auth.policy.refresh()

    async def make_user(self, metadata: tuple[tuple[str, str], ...], username: str, **fields: Any) -> None:
        """Makes a user on the Response Network; nothing is carried."""
        limits = {"rate_limit_per_minute": 10_000, "rate_limit_per_hour": 100_000, "rate_limit_per_day": 1_000_000}
        new = CreateUserRequest(
            username=username, email=f"{username}@example.org", password=PASSWORD, full_name=username, **limits | fields
        )
        await UserServiceStub(self.response.channel).CreateUser(new, metadata=metadata)

    def carry(self, source: Side, destination: Side) -> None:
        """A whole walk: everything in the outbox, by way of an empty stick, into the other inbox."""
        self.take(source)
        self.deliver(destination)
        self.wipe()

    def take(self, source: Side) -> None:
        """The outbox onto the stick."""
        take(source.export_dir, self.stick)

    def deliver(self, destination: Side) -> None:
        """The stick into the inbox."""
        deliver(self.stick, destination.import_dir, destination=destination.settings.network)

    def wipe(self) -> None:
        """The stick is lost, or emptied."""
        shutil.rmtree(self.stick)
        self.stick.mkdir()

    def drop_in(self, destination: Side, bundle: Path, *, name: str = "") -> None:
        """Puts one file into the inbox, as anybody with access could."""
        shutil.copy(bundle, destination.import_dir / "requests" / (name or bundle.name))

    async def execute(self) -> dict[str, int]:
        """Searches until nothing waits."""
        outcomes: dict[str, int] = await self.response.app.executors.run()
        return outcomes

    async def send_requests(self) -> ImportReport:
        """Requests to the Response Network."""
        await self.request.export("requests")
        self.carry(self.request, self.response)
        return await self.response.import_()

    async def send_answers(self) -> ImportReport:
        """Answers to the Request Network."""
        await self.response.export("responses")
        self.carry(self.response, self.request)
        return await self.request.import_()

    async def settle(self) -> None:
        """One whole round: out, searched, and back."""
        await self.send_requests()
        await self.execute()
        await self.send_answers()


async def open_two_networks(place: Place, keys: GeneratedKeys, closing: AsyncExitStack) -> TwoNetworks:
    """Both networks over migrated databases, an admin made; everything is closed by `closing`."""
    clock = StoryClock()
    request = await _open_request_side(place, keys, clock)
    closing.push_async_callback(request.close)
    response = await _open_response_side(place, keys, clock)
    closing.push_async_callback(response.close)
    for side in (request, response):
        await side.open()
    await create_admin(response.app.users, username="admin", email="admin@example.org", password=PASSWORD)
    for index in (ALLOWED, ALLOWED_UNTIL_CARRIED):
        await allow_index(response.app.policy, response.app.engine, index, description="", caller=current_caller())
    await response.app.auth.policy.refresh()
    stick = place.folder / "stick"
    stick.mkdir()
    return TwoNetworks(request, response, stick, clock)


async def _open_request_side(place: Place, keys: GeneratedKeys, clock: StoryClock) -> Side:
    named: dict[str, Any] = {
        "database_url": place.request_database_url,
        "redis_url": place.request_redis_url,
        "signing_key_file": keys.request_signing_key,
        "peer_signing_keys_file": keys.response_public_key,
    }
    settings = RequestSettings(**_common(place, keys, "request"), **named)
    return Side(await build_request_app(settings), settings, place.folder, clock)


async def _open_response_side(place: Place, keys: GeneratedKeys, clock: StoryClock) -> Side:
    named: dict[str, Any] = {
        "database_url": place.response_database_url,
        "redis_url": place.response_redis_url,
        "signing_key_file": keys.response_signing_key,
        "peer_signing_keys_file": keys.request_public_key,
        "embedded_search_dir": place.search_folder,
        "elasticsearch_url": place.elasticsearch_url,
    }
    settings = ResponseSettings(**_common(place, keys, "response"), **named)
    return Side(await build_response_app(settings), settings, place.folder, clock)


def _common(place: Place, keys: GeneratedKeys, network: str) -> dict[str, Any]:
    return {
        "_env_file": None,
        "sandbox": True,
        "secret_key": f"the secret of the {network} network in stories",
        "encryption_keyring_file": keys.keyring,
        "export_dir": place.folder / network / "export",
        "import_dir": place.folder / network / "import",
        "database_pool_size": 5,
        **CHEAP,
    }
