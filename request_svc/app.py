"""The composition root: the only place that opens connections and puts the parts of the service together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from airlock.common.v1 import network_pb2
from airlock.request.v1 import api_key_service_pb2_grpc, request_service_pb2_grpc, user_replica_service_pb2_grpc
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from common import clock
from common.audit.refusals import RefusalWriter
from common.audit.trail import AuditTrail
from common.auth.context import AuthContext
from common.batches.exchange import Exchange
from common.batches.from_settings import batch_context, keeping
from common.database.notices import Notices
from common.database.transaction import Database
from common.handlers.shared import shared_services
from common.health.checks import standard_checks
from common.jobs.broker import make_broker
from common.ratelimit.from_settings import user_limits
from common.rpc.server import RpcService
from request_svc.adapters.answer_cache import RedisAnswerCache
from request_svc.adapters.api_key_store import SqlApiKeyStore
from request_svc.adapters.changes import NoticedChanges
from request_svc.adapters.checks import ReplicaAgeCheck
from request_svc.adapters.export_requests import RequestExportSource
from request_svc.adapters.import_policy import policy_sinks
from request_svc.adapters.import_responses import ResponseSink
from request_svc.adapters.import_users import users_sinks
from request_svc.adapters.known_api_keys import RememberedApiKeys
from request_svc.adapters.request_store import SqlRequestStore
from request_svc.adapters.request_writer import GroupedRequestWriter
from request_svc.adapters.response_store import SqlResponseStore
from request_svc.adapters.user_store import ReplicaAccounts, SqlUserStore, users_sealed_at
from request_svc.handlers.api_keys import ApiKeyHandler
from request_svc.handlers.requests import RequestHandler, RequestParts
from request_svc.handlers.users import UserReplicaHandler
from request_svc.jobs import jobs
from request_svc.usecases.api_key_rights import ApiKeyContext

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from airlock.common.v1.network_pb2 import BundleKind
    from taskiq import AsyncBroker

    from common.batches.ports import ExportSource, SinkFactory
    from common.batches.steps import Step
    from common.health.checks import Check
    from common.ratelimit.user_limits import UserLimits
    from request_svc.ports import AnswerCache
    from request_svc.settings import RequestSettings

CACHE_TIMEOUT_SECONDS = 0.25
"""How long a read waits for a cached answer; the database has it too."""


@dataclass(frozen=True, slots=True)
class App:
    """One process's parts, open until `close`."""

    database: Database
    auth: AuthContext
    limits: UserLimits
    refusals: RefusalWriter
    trail: AuditTrail
    broker: AsyncBroker
    exchange: Exchange
    api_keys: ApiKeyContext
    rpc_services: Sequence[RpcService]
    writer: GroupedRequestWriter
    notices: Notices
    redis: Redis

    def wind_down(self) -> None:
        """Nothing here begins by itself."""

    async def close(self) -> None:
        """Stores what was accepted, then closes every connection."""
        await self.writer.close()
        await self.notices.close()
        await self.refusals.close()
        await self.auth.close()
        await self.limits.close()
        await self.broker.shutdown()
        await self.redis.aclose()
        await self.database.close()


async def build_app(
    settings: RequestSettings,
    *,
    moment: Callable[[], datetime] = clock.now,
    steps: Callable[[Step], None] | None = None,
) -> App:
    """Opens and wires everything that `settings` name. Raises KeyFileError, or a database error, where it cannot.

    `moment` and `steps` are for rehearsals, which move the clock and break off at a step.
    """
    database = Database(
        settings.database_url.get_secret_value(),
        pool_size=settings.database_pool_size,
        prepared_statements=settings.database_prepared_statements,
    )
    redis = Redis.from_url(
        settings.redis_url.get_secret_value(),
        socket_timeout=CACHE_TIMEOUT_SECONDS,
        socket_connect_timeout=CACHE_TIMEOUT_SECONDS,
        # The client's own default would wait for seconds; the database is faster.
        retry=Retry(NoBackoff(), 0),
    )
    notices = Notices.from_settings(settings, database)
    accounts = ReplicaAccounts()
    known_keys = RememberedApiKeys(database, poll_seconds=settings.session_poll_seconds, notices=notices, clock=moment)
    auth = AuthContext.from_settings(
        settings,
        database,
        accounts,
        notices=notices,
        api_keys=known_keys,
        sealing_time=users_sealed_at,
        clock=moment,
    )
    api_keys = ApiKeyContext(
        database=database,
        directory=accounts,
        keys=SqlApiKeyStore(),
        known=known_keys,
        policy=auth.policy,
        clock=moment,
    )
    cache = RedisAnswerCache(redis)
    writer = GroupedRequestWriter(database)
    changes = NoticedChanges(notices)
    exchange = Exchange(
        batch_context(settings, database, moment=moment, steps=steps),
        _sources(),
        _sinks(cache, moment),
        keeping(settings),
    )
    parts = RequestParts(
        database=database,
        requests=SqlRequestStore(),
        responses=SqlResponseStore(),
        writer=writer,
        cache=cache,
        changes=changes,
        policy=auth.policy,
    )
    shared = shared_services(
        settings=settings,
        auth=auth,
        exchange=exchange,
        jobs=jobs(settings),
        checks=[*standard_checks(settings, database), *_checks(auth)],
    )
    refusals = RefusalWriter(database)
    await auth.start()
    notices.start()
    refusals.start()
    return App(
        database=database,
        auth=auth,
        limits=user_limits(settings, auth.policy),
        refusals=refusals,
        trail=AuditTrail(database, settings.keep_audit_days),
        broker=make_broker(settings),
        exchange=exchange,
        api_keys=api_keys,
        rpc_services=[*_own_services(parts, database, api_keys), *shared],
        writer=writer,
        notices=notices,
        redis=redis,
    )


def _sources() -> dict[BundleKind.ValueType, ExportSource]:
    return {network_pb2.BUNDLE_KIND_REQUESTS: RequestExportSource()}


def _sinks(cache: AnswerCache, moment: Callable[[], datetime]) -> dict[BundleKind.ValueType, SinkFactory]:
    return {
        network_pb2.BUNDLE_KIND_USERS: users_sinks(moment),
        network_pb2.BUNDLE_KIND_PROFILE_TYPES: policy_sinks,
        network_pb2.BUNDLE_KIND_SETTINGS: policy_sinks,
        network_pb2.BUNDLE_KIND_RESPONSES: partial(ResponseSink, cache=cache),
    }


def _checks(auth: AuthContext) -> list[Check]:
    return [ReplicaAgeCheck(auth.replica_age)] if auth.replica_age is not None else []


def _own_services(parts: RequestParts, database: Database, api_keys: ApiKeyContext) -> list[RpcService]:
    return [
        RpcService(
            "airlock.request.v1.RequestService",
            request_service_pb2_grpc.add_RequestServiceServicer_to_server,
            RequestHandler(parts),
        ),
        RpcService(
            "airlock.request.v1.UserReplicaService",
            user_replica_service_pb2_grpc.add_UserReplicaServiceServicer_to_server,
            UserReplicaHandler(database, SqlUserStore()),
        ),
        RpcService(
            "airlock.request.v1.ApiKeyService",
            api_key_service_pb2_grpc.add_ApiKeyServiceServicer_to_server,
            ApiKeyHandler(api_keys),
        ),
    ]
