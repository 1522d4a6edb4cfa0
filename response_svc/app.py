"""The composition root: the only place that opens connections and puts the parts of the service together."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from airlock.common.v1 import network_pb2
from airlock.response.v1 import (
    processing_service_pb2_grpc,
    profile_type_service_pb2_grpc,
    search_policy_service_pb2_grpc,
    settings_service_pb2_grpc,
    user_service_pb2_grpc,
)
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from common import clock
from common.audit.refusals import RefusalWriter
from common.audit.trail import AuditTrail
from common.auth.context import AuthContext
from common.auth.replica_age import renewal_of_copies
from common.batches.exchange import Exchange
from common.batches.from_settings import batch_context, keeping
from common.database.notices import Notices
from common.database.transaction import Database
from common.handlers.shared import shared_services
from common.health.checks import standard_checks
from common.jobs.broker import make_broker
from common.jobs.queue import BrokerJobQueue
from common.ratelimit.from_settings import user_limits
from common.rpc.server import RpcService
from response_svc.adapters.accounts import MasterAccounts
from response_svc.adapters.answers.cache import Lives, RedisAnswerCache
from response_svc.adapters.answers.flights import RedisFlights
from response_svc.adapters.checks import EngineCheck
from response_svc.adapters.claims import PostgresClaims
from response_svc.adapters.decided_requests import PostgresDecidedRequests
from response_svc.adapters.end_writer import GroupedEndWriter
from response_svc.adapters.export_responses import ResponsesSource
from response_svc.adapters.export_tables import ReplicatedTableSource
from response_svc.adapters.export_wake_ups import export_wake_ups
from response_svc.adapters.import_requests import requests_sinks
from response_svc.adapters.incoming_requests import PostgresIncomingRequests
from response_svc.adapters.policy import PostgresProfileTypeUse, index_rows, profile_type_rows, setting_rows
from response_svc.adapters.queue import INTERRUPTED, PostgresQueue
from response_svc.adapters.replicated_tables import REPLICATED_TABLES, USERS
from response_svc.adapters.users import PostgresUsers
from response_svc.handlers.processing import ProcessingHandler
from response_svc.handlers.profile_types import ProfileTypeHandler
from response_svc.handlers.search_policy import SearchPolicyHandler, SearchPolicyParts
from response_svc.handlers.settings import SettingsHandler
from response_svc.handlers.users import UserHandler
from response_svc.jobs import EXECUTE_QUERY, jobs
from response_svc.search.factory import make_engine
from response_svc.usecases.answer_search import Answering
from response_svc.usecases.change_policy import PolicyContext
from response_svc.usecases.change_users import UserContext
from response_svc.usecases.claim_requests import Claims
from response_svc.usecases.decide_request import DecisionContext
from response_svc.usecases.execute_next import ExecutionContext
from response_svc.usecases.execute_waiting import Executors
from response_svc.usecases.flights import Flights
from response_svc.usecases.hold_lease import Interruptions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from airlock.common.v1.network_pb2 import BundleKind
    from taskiq import AsyncBroker

    from common.batches.context import BatchContext
    from common.batches.ports import ExportSource, SinkFactory
    from common.batches.steps import Step
    from common.jobs.queue import JobQueue
    from common.ratelimit.user_limits import UserLimits
    from response_svc.ports import AnswerCache, CurrentPolicy, SearchEngine
    from response_svc.settings import ResponseSettings
    from response_svc.usecases.engine_gate import EngineGate

CACHE_TIMEOUT_SECONDS = 0.5
"""How long an execution waits for a kept answer; the engine has it too."""
MOST_WAKE_UPS = 8
"""Wake-ups for one import: each worker host takes one and executes until nothing waits."""


@dataclass(frozen=True, slots=True)
class App:
    """One process's parts, open until `close`."""

    database: Database
    notices: Notices
    auth: AuthContext
    limits: UserLimits
    refusals: RefusalWriter
    trail: AuditTrail
    broker: AsyncBroker
    exchange: Exchange
    rpc_services: Sequence[RpcService]
    executors: Executors
    users: UserContext
    policy: PolicyContext
    engine: SearchEngine
    redis: Redis

    def wind_down(self) -> None:
        """Claims no more requests."""
        self.executors.stop_claiming()

    async def close(self) -> None:
        """Hands back what is still executed, then closes every connection."""
        await self.executors.close()
        await self.refusals.close()
        await self.notices.close()
        await self.auth.close()
        await self.limits.close()
        await self.engine.close()
        await self.broker.shutdown()
        await self.redis.aclose()
        await self.database.close()


async def build_app(
    settings: ResponseSettings,
    *,
    moment: Callable[[], datetime] = clock.now,
    steps: Callable[[Step], None] | None = None,
    engine: SearchEngine | None = None,
    gate: EngineGate | None = None,
) -> App:
    """Opens and wires everything that `settings` name. Raises KeyFileError, or a database error, where it cannot.

    The others are for rehearsals, which move the clock, break off at a step, and search with an engine that has faults.
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
        # Once more for a connection that was lost while nobody used it; the client's own default would try for seconds.
        retry=Retry(NoBackoff(), 1),
    )
    notices = Notices.from_settings(settings, database)
    auth = AuthContext.from_settings(settings, database, MasterAccounts(), notices=notices, clock=moment)
    engine = engine or make_engine(settings)
    broker = make_broker(settings)
    queue = BrokerJobQueue(broker)
    cache = RedisAnswerCache(redis, _lives(settings))
    users = UserContext(database, PostgresUsers(), auth.hasher, export_wake_ups(queue)[network_pb2.BUNDLE_KIND_USERS])
    policy = _policy(database, queue, cache)
    decisions = DecisionContext(database, PostgresDecidedRequests(), lambda: queue.wake(EXECUTE_QUERY), moment)
    batches = batch_context(settings, database, moment=moment, steps=steps)
    exchange = Exchange(batches, _sources(settings, auth.policy), _sinks(queue), keeping(settings))
    answering = _answering(settings, redis, cache, engine)
    execution = _execution(settings, batches, notices, answering, auth.policy)
    shared = shared_services(
        settings=settings,
        auth=auth,
        exchange=exchange,
        jobs=jobs(settings),
        checks=[*standard_checks(settings, database), EngineCheck(engine)],
    )
    refusals = RefusalWriter(database)
    await auth.start()
    notices.start()
    refusals.start()
    return App(
        database=database,
        notices=notices,
        auth=auth,
        limits=user_limits(settings, auth.policy),
        refusals=refusals,
        trail=AuditTrail(database, settings.keep_audit_days),
        broker=broker,
        exchange=exchange,
        rpc_services=[
            *_own_services(users, auth, decisions),
            *_policy_services(SearchPolicyParts(policy, engine, cache)),
            *shared,
        ],
        executors=Executors(execution, settings.worker_count, gate=gate),
        users=users,
        policy=policy,
        engine=engine,
        redis=redis,
    )


def _sources(settings: ResponseSettings, policy: CurrentPolicy) -> dict[BundleKind.ValueType, ExportSource]:
    every = timedelta(days=settings.users_snapshot_days)
    return {
        **{table.kind: ReplicatedTableSource(table, snapshot_every=every) for table in REPLICATED_TABLES},
        network_pb2.BUNDLE_KIND_USERS: ReplicatedTableSource(
            USERS, snapshot_every=every, renew_after=lambda: renewal_of_copies(policy.current)
        ),
        network_pb2.BUNDLE_KIND_RESPONSES: ResponsesSource(),
    }


def _sinks(queue: JobQueue) -> dict[BundleKind.ValueType, SinkFactory]:
    async def wake(requests: int) -> None:
        await queue.wake(EXECUTE_QUERY, times=min(requests, MOST_WAKE_UPS))

    return {network_pb2.BUNDLE_KIND_REQUESTS: requests_sinks(wake)}


def _lives(settings: ResponseSettings) -> Lives:
    return Lives(
        normal=settings.cache_ttl,
        aggregations=settings.cache_ttl_aggregations,
        hot=settings.cache_ttl_hot,
        hot_count=settings.cache_hot_count,
        hot_window=settings.cache_hot_window,
    )


def _policy(database: Database, queue: JobQueue, cache: AnswerCache) -> PolicyContext:
    wake_ups = export_wake_ups(queue)
    return PolicyContext(
        database=database,
        profile_types=profile_type_rows(),
        settings=setting_rows(),
        indices=index_rows(),
        use=PostgresProfileTypeUse(),
        wake_profile_types=wake_ups[network_pb2.BUNDLE_KIND_PROFILE_TYPES],
        wake_settings=wake_ups[network_pb2.BUNDLE_KIND_SETTINGS],
        forget_answers=cache.forget,
    )


def _answering(settings: ResponseSettings, redis: Redis, cache: AnswerCache, engine: SearchEngine) -> Answering:
    return Answering(
        cache,
        Flights(RedisFlights(redis), longest_seconds=2 * settings.query_timeout),
        engine,
        timeout_seconds=settings.query_timeout,
        asking=asyncio.Semaphore(settings.worker_count),
    )


def _execution(
    settings: ResponseSettings,
    batches: BatchContext,
    notices: Notices,
    answering: Answering,
    policy: CurrentPolicy,
) -> ExecutionContext:
    queue = PostgresQueue()
    lease = timedelta(seconds=settings.execution_lease_seconds)
    interruptions = Interruptions()
    notices.wake_on(INTERRUPTED, interruptions.wake)
    return ExecutionContext(
        database=batches.database,
        queue=queue,
        claims=Claims(
            batches.database,
            queue,
            PostgresClaims(batches.database),
            worker=f"{socket.gethostname()}:{os.getpid()}",
            lease=lease,
        ),
        ends=GroupedEndWriter(batches.database),
        answering=answering,
        policy=policy,
        jitter=secrets.SystemRandom().random,
        steps=batches.steps,
        clock=batches.clock,
        lease=lease,
        first_retry=timedelta(seconds=settings.retry_first_seconds),
        interruptions=interruptions,
    )


def _own_services(users: UserContext, auth: AuthContext, decisions: DecisionContext) -> list[RpcService]:
    return [
        RpcService(
            "airlock.response.v1.UserService",
            user_service_pb2_grpc.add_UserServiceServicer_to_server,
            UserHandler(users, auth),
        ),
        RpcService(
            "airlock.response.v1.ProcessingService",
            processing_service_pb2_grpc.add_ProcessingServiceServicer_to_server,
            ProcessingHandler(users.database, PostgresIncomingRequests(), decisions),
        ),
    ]


def _policy_services(parts: SearchPolicyParts) -> list[RpcService]:
    return [
        RpcService(
            "airlock.response.v1.ProfileTypeService",
            profile_type_service_pb2_grpc.add_ProfileTypeServiceServicer_to_server,
            ProfileTypeHandler(parts.policy),
        ),
        RpcService(
            "airlock.response.v1.SettingsService",
            settings_service_pb2_grpc.add_SettingsServiceServicer_to_server,
            SettingsHandler(parts.policy),
        ),
        RpcService(
            "airlock.response.v1.SearchPolicyService",
            search_policy_service_pb2_grpc.add_SearchPolicyServiceServicer_to_server,
            SearchPolicyHandler(parts),
        ),
    ]
