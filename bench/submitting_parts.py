"""The parts of a SubmitRequest one by one, each run alone in this process: where its time goes."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

from airlock.common.v1.permission_pb2 import PERMISSION_SUBMIT_REQUEST
from airlock.request.v1.request_service_pb2 import SubmitRequestRequest
from google.api.httpbody_pb2 import HttpBody
from redis.asyncio import Redis

from bench.report import Figure
from common.audit.record import AuditEntry
from common.auth.tokens import TokenIssuer
from common.database.transaction import Database
from common.policy.index import AllowedIndex
from common.policy.policy import Policy
from common.ratelimit.limiter import RateLimiter
from common.ratelimit.windows import DAY, HOUR, MINUTE, Window
from common.rpc.interceptors.validation import ValidationInterceptor
from common.search.body import read_body
from common.search.normal import normal_form
from common.search.permitted import check_permitted
from request_svc.adapters.request_writer import GroupedRequestWriter
from request_svc.domain.request import NewRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.network import Network

TIMES = 2000
GROUPS = 20
GROUP: Final = 50
MANY: Final = (Window(MINUTE, 1_000_000), Window(HOUR, 1_000_000), Window(DAY, 1_000_000))
METHOD: Final = "/airlock.request.v1.RequestService/SubmitRequest"


async def parts(network: Network, token: str, body: bytes) -> list[Figure]:
    """What each part takes for one call, in microseconds of this process."""
    settings = network.environment()
    issuer = TokenIssuer(network="request", secret=settings["SECRET_KEY"], lifetime=timedelta(hours=1))
    search = read_body(body)
    message = SubmitRequestRequest(index="cities", body=HttpBody(content_type="application/json", data=body))
    validation, principal = ValidationInterceptor(), issuer.verify(token).principal
    policy, index = Policy(), AllowedIndex("cities", "", {"name": "text", "country": "keyword"})

    def fresh_token() -> None:
        TokenIssuer(network="request", secret=settings["SECRET_KEY"], lifetime=timedelta(hours=1)).verify(token)

    alone = {
        "a token seen before": lambda: issuer.verify(token),
        "a token seen for the first time": fresh_token,
        "the permission": lambda: principal.require(PERMISSION_SUBMIT_REQUEST),
        "field rules": lambda: validation.incoming(METHOD, message),
        "reading the body": lambda: read_body(body),
        "the limits and fields of a search": lambda: check_permitted(search, index, policy, None),
        "the normal form": lambda: normal_form(search),
    }
    figures = [Figure(f"  of it {name}, µs", microseconds(work), "") for name, work in alone.items()]
    stored = await storing(settings["DATABASE_URL"], body, normal_form(search))
    counted = await counting(settings["REDIS_URL"])
    return [
        *figures,
        Figure("  of it the limit check, 50 at a time, µs", counted, ""),
        Figure("  of it storing request and audit row, 50 at a time, µs", stored, ""),
    ]


def microseconds(work: Callable[[], object]) -> float:
    """Processor time of one call of `work`."""
    before = time.process_time()
    for _ in range(TIMES):
        work()
    return (time.process_time() - before) / TIMES * 1e6


async def counting(url: str) -> float:
    """Microseconds of processor time that one call takes in the limiter when 50 arrive together."""
    async with Redis.from_url(url) as redis:
        limiter = RateLimiter(redis)
        before = time.process_time()
        for _ in range(GROUPS):
            await asyncio.gather(*(limiter.take("bench", MANY) for _ in range(GROUP)))
        return (time.process_time() - before) / GROUPS / GROUP * 1e6


async def storing(url: str, body: bytes, normal: bytes) -> float:
    """Microseconds of processor time that one request takes in the writer when 50 arrive together."""
    database = Database(url)
    writer = GroupedRequestWriter(database)
    await store_together(writer, body, normal)
    before = time.process_time()
    for _ in range(GROUPS):
        await store_together(writer, body, normal)
    spent = time.process_time() - before
    await writer.close()
    await database.close()
    return spent / GROUPS / GROUP * 1e6


async def store_together(writer: GroupedRequestWriter, body: bytes, normal: bytes) -> None:
    """A group of requests, as that many callers hand them over."""
    await asyncio.gather(*(writer.write(*new_request(body, normal)) for _ in range(GROUP)))


def new_request(body: bytes, normal: bytes) -> tuple[NewRequest, AuditEntry]:
    """A request as SubmitRequest makes it, with its audit row."""
    request = NewRequest(
        request_id=uuid4(),
        user_id=UUID(int=1),
        index="cities",
        query_type="bool",
        query_params={"index": "cities"},
        body=body,
        search=normal,
        priority=5,
        created_at=datetime.now(UTC),
        not_after=None,
        accept_partial=False,
        idempotency_key=None,
        trace_id=str(uuid4()),
    )
    return request, AuditEntry("request.submit", user_id=request.user_id, resource_id=str(request.request_id))
