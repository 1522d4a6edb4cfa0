"""The same search as JSON and as a message, through the whole service over gRPC: one question is stored, or none."""

from __future__ import annotations

from random import Random
from typing import Any
from uuid import UUID

import grpc
import pytest
from airlock.common.v1 import network_pb2
from airlock.search.v1.query_pb2 import MatchAllQuery, Query
from airlock.search.v1.search_pb2 import Search
from google.api.httpbody_pb2 import HttpBody
from sqlalchemy import text

from common.auth.passwords import PasswordHasher
from common.search.body import read_body
from common.search.emit import emit_body
from common.search.normal import normal_form
from tests.bad_searches import BAD
from tests.generated_searches import SearchMaker
from tests.integration.request_svc.request_world import user_message, users_bundle
from tests.integration.request_svc.test_request_service import (  # noqa: F401 # Its fixtures are used by name.
    PASSWORD,
    Service,
    _reason,
    _submit,
    service,
)
from tests.respelling import respelled

pytestmark = pytest.mark.usefixtures("redis_url")

SEARCHES = 40
AT_WILL = {"rate_limit_per_minute": 100_000, "rate_limit_per_hour": 100_000, "rate_limit_per_day": 100_000}
QUERY_BOOL, BOOL_MUST, SEARCH_QUERY = 13, 1, 1
REQUEST_INDEX, REQUEST_SEARCH = 1, 3
REFUSALS = {"QUERY_INVALID", "QUERY_LIMIT", "INVALID_FIELD"}


async def sign_in_without_limits(service: Service) -> tuple[tuple[str, str], ...]:  # noqa: F811
    """A user who may ask as often as he likes; the field's rules come before the rate."""
    hasher = PasswordHasher.cheapest()
    hashed = await hasher.hash(PASSWORD)
    hasher.close()
    noor = user_message("noor", hashed_password=hashed, **AT_WILL)
    service.lay(network_pb2.BUNDLE_KIND_USERS, users_bundle([noor], snapshot=True))
    await service.app.exchange.import_waiting()
    return await service.sign_in("noor")


async def stored(service: Service, request_id: str) -> Any:  # noqa: F811
    async with service.app.database.transaction() as transaction:
        found = await transaction.connection.execute(
            text("SELECT body, search, query_type, query_params::text AS params FROM requests WHERE id = :id"),
            {"id": UUID(request_id)},
        )
        return found.one()


async def test_both_forms_store_the_same_question_and_the_engine_gets_the_same_body(service: Service) -> None:  # noqa: F811
    noor = await sign_in_without_limits(service)
    for seed in range(SEARCHES):
        typed = SearchMaker(Random(seed), depth=2, density=0.3).search()
        pasted = respelled(emit_body(typed), Random(seed))
        as_message = _submit(index="flights", body=None, search=typed)
        as_json = _submit(index="flights", body=HttpBody(content_type="application/json", data=pasted))
        submitted = [await service.requests.SubmitRequest(one, metadata=noor) for one in (as_message, as_json)]
        message, json = [await stored(service, one.request.id) for one in submitted]
        assert (message.search, message.query_type, message.params) == (json.search, json.query_type, json.params)
        # What was pasted is kept byte for byte, whatever the order of its keys.
        assert json.body == pasted
        assert json.search == normal_form(typed)
        assert emit_body(Search.FromString(json.search)) == emit_body(typed) == emit_body(read_body(pasted))


async def test_what_crosses_the_gap_is_the_normal_form(service: Service) -> None:  # noqa: F811
    noor = await sign_in_without_limits(service)
    typed = SearchMaker(Random(7)).search()
    body = HttpBody(data=respelled(emit_body(typed), Random(7)))
    await service.requests.SubmitRequest(_submit(index="flights", body=body), metadata=noor)
    await service.app.exchange.export(network_pb2.BUNDLE_KIND_REQUESTS)
    [record] = service.peer.take(service.settings.export_dir / "requests")
    assert normal_form(record.request.search) == normal_form(typed)
    assert emit_body(record.request.search) == emit_body(typed)


async def test_every_bad_search_is_refused_over_the_wire_and_nothing_is_stored(service: Service) -> None:  # noqa: F811
    noor = await sign_in_without_limits(service)
    reasons = {}
    for bad in BAD:
        # No fields of flights are known, so that it is the rule that counts.
        index = "cities" if bad.of_fields else "flights"
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await service.requests.SubmitRequest(_submit(index=index, body=None, search=bad.search), metadata=noor)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT, (bad.name, refused.value.details())
        reasons[bad.name] = _reason(refused.value)
    assert set(reasons.values()) <= REFUSALS, reasons
    assert await count(service) == 0


@pytest.mark.parametrize("levels", [11, 48, 60, 5_000])
async def test_a_message_nested_without_end_is_refused_as_the_callers_fault(service: Service, levels: int) -> None:  # noqa: F811
    noor = await sign_in_without_limits(service)
    clause = Query(match_all=MatchAllQuery()).SerializeToString()
    for _ in range(levels - 1):
        clause = part(QUERY_BOOL, part(BOOL_MUST, clause))
    request = part(REQUEST_INDEX, b"flights") + part(REQUEST_SEARCH, part(SEARCH_QUERY, clause))
    # Protobuf itself neither writes nor reads so deep a message.
    call: Any = service.channel.unary_unary("/airlock.request.v1.RequestService/SubmitRequest")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call(request, metadata=noor)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT, refused.value
    assert await count(service) == 0


def part(number: int, content: bytes) -> bytes:
    """A field of protobuf's that holds bytes."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value: int) -> bytes:
    more = value >> 7
    return bytes([value & 127 | 128]) + varint(more) if more else bytes([value])


async def count(service: Service) -> int:  # noqa: F811
    async with service.app.database.transaction() as transaction:
        return int(await transaction.connection.scalar(text("SELECT count(*) FROM requests")) or 0)
