"""Answers from the engine's bytes to the user's, through both networks' databases and a bundle, in every form."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from airlock.common.v1.failure_reason_pb2 import FAILURE_REASON_RESULT_TOO_LARGE
from airlock.request.v1.request_service_pb2 import GetRequestRequest, GetRequestResultRequest
from airlock.request.v1.request_service_pb2_grpc import RequestServiceStub
from google.rpc import error_details_pb2, status_pb2

from common.rpc.caller import current_caller
from response_svc.domain.profile_type import ProfileTypeChanges
from response_svc.usecases.change_profile_types import update_profile_type
from transfer.bundle.limits import MAX_RESULT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.two_networks import TwoNetworks, User

    Answered = Callable[..., Awaitable[list[str]]]

PIECE = 256 * 1024
FIELDS = b'{"indices":["cities"],"fields":{"name":{"text":{"type":"text","searchable":true,"aggregatable":false}}}}'
HITS = [
    # A whole number that no double holds, keys that repeat and stand in no order, numbers in spellings of their own.
    b'{"_id":"1","_score":1.0,"_source":{"z":1,"a":9007199254740993,"n":-0.0,"m":1e3,"k":1.10,"k":1E+2}}',
    '{ "_id" : "2", "_source":{"نام":"تهران\u200c", "e":"\\u062a\\/\\"\\\\\\n","t":"\U0001f600"}}'.encode(),
    b'{"_id":"3","_source":{"zero":"\\u0000","big":' + b"1" * 400 + b',"deep":' + b"[" * 90 + b"]" * 90 + b"}}",
]
# Strings that are no Unicode: the engine passes them through as they were indexed, and so does everything here.
HALF = b'{"_id":"4","_source":{"high":"\\ud800","low":"\\udc00 \\ud83d\\ude00"}}'

NO_TABLE = (
    "The answer cannot be given as csv: a hit has two values of the path k. "
    "With `format=json` it comes as the engine wrote it."
)


def engine_answer(*hits: bytes, length: int = 0) -> bytes:
    """What an engine would write around these hits, filled up to `length`."""
    head = b'{"took":1,"timed_out":false,"_shards":{"failed":0},"hits":{"total":{"value":3},"hits":['
    tail = b"]}"
    room = length - len(head) - len(tail) - len(b",".join(hits)) - 1
    filler = b',"x":"' + b"x" * (room - 7) + b'"' if room > 7 else b""
    return head + b",".join(hits) + tail + filler + b"}"


class Engine:
    """An Elasticsearch that answers a search of size n with the n-th of its answers."""

    def __init__(self) -> None:
        self.answers: list[bytes] = []

    async def answer(self, request: web.Request) -> web.Response:
        body = FIELDS
        if request.path.endswith("_search"):
            body = self.answers[(await request.json())["size"]]
        return web.Response(body=body, content_type="application/json", headers={"x-elastic-product": "Elasticsearch"})


@pytest.fixture
async def engine() -> AsyncIterator[tuple[Engine, str]]:
    made = Engine()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", made.answer)
    async with TestServer(application) as server:
        yield made, str(server.make_url("")).rstrip("/")


@pytest.fixture
async def story_engine(engine: tuple[Engine, str]) -> str:
    """The networks of these stories ask that engine."""
    return engine[1]


@pytest.fixture
async def answered(networks: TwoNetworks, engine: tuple[Engine, str]) -> Answered:
    """Asks once for each of the given answers and carries everything there and back."""

    async def ask(user: User, *bodies: bytes) -> list[str]:
        engine[0].answers = list(bodies)
        await networks.response.app.redis.flushdb()
        asked = [await user.submit(b'{"size":%d}' % place) for place in range(len(bodies))]
        await networks.settle()
        return asked

    return ask


class Reader:
    """Reads results with everything that comes beside them."""

    def __init__(self, networks: TwoNetworks, metadata: tuple[tuple[str, str], ...]) -> None:
        self._stub: Any = RequestServiceStub(networks.request.channel)
        self._metadata = metadata

    async def read(self, request_id: str, **options: Any) -> tuple[bytes, str, dict[str, str]]:
        """The bytes, their content type, and the headers."""
        call = self._stub.GetRequestResult(GetRequestResultRequest(id=request_id, **options), metadata=self._metadata)
        pieces = [piece async for piece in call]
        assert len({piece.content_type for piece in pieces}) == 1
        headers = {str(key): str(value) for key, value in await call.initial_metadata()}
        return b"".join(piece.data for piece in pieces), pieces[0].content_type, headers

    async def refusal(self, request_id: str, **options: Any) -> tuple[str, str]:
        """Reason and text."""
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await self.read(request_id, **options)
        status = status_pb2.Status.FromString(dict(refused.value.trailing_metadata() or ())["grpc-status-details-bin"])
        info = error_details_pb2.ErrorInfo()
        status.details[0].Unpack(info)
        return info.reason, status.message

    async def response(self, request_id: str) -> Any:
        """What GetRequest says of the answer."""
        return (await self._stub.GetRequest(GetRequestRequest(id=request_id), metadata=self._metadata)).response


async def test_the_engines_bytes_come_back_whatever_they_are(networks: TwoNetworks, answered: Answered) -> None:
    sara = await networks.bring_user()
    bodies = [
        engine_answer(*HITS),
        engine_answer(HALF),
        b" \n" + engine_answer(*HITS) + b"\r\n\t ",
        *(engine_answer(*HITS, length=PIECE + more) for more in (-1, 0, 1)),
        engine_answer(HALF, length=3 * PIECE),
        engine_answer(length=2 * PIECE),
    ]
    assert [len(body) for body in bodies[3:6]] == [PIECE - 1, PIECE, PIECE + 1]
    asked = await answered(sara, *bodies)
    for cached in (True, False):
        for request_id, body in zip(asked, bodies, strict=True):
            assert await sara.answer(request_id) == body, cached
        await networks.request.app.redis.flushdb()


@pytest.mark.timeout(120)
async def test_the_largest_result_that_may_travel_comes_back_and_a_larger_one_says_what_to_do(
    networks: TwoNetworks, answered: Answered
) -> None:
    sara = await networks.bring_user()
    largest = engine_answer(*HITS, length=MAX_RESULT)
    request_id, larger = await answered(sara, largest, largest + b" ")
    assert hashlib.sha256(await sara.answer(request_id)).digest() == hashlib.sha256(largest).digest()
    request = await sara.request(larger)
    assert request.failure_reason == FAILURE_REASON_RESULT_TOO_LARGE
    assert f"{MAX_RESULT} bytes" in request.error_message
    assert "ask for fewer hits or fields" in request.error_message
    reader = Reader(networks, await networks.request.sign_in("sara"))
    assert (await reader.refusal(larger))[0] == "RESULT_NOT_READY"


async def test_a_profile_may_have_less(networks: TwoNetworks, answered: Answered) -> None:
    less = ProfileTypeChanges(max_result_bytes=1024)
    await update_profile_type(networks.response.app.policy, "basic", less, revision=None, caller=current_caller())
    await networks.response.app.auth.policy.refresh()
    sara = await networks.bring_user()
    fitting, larger = await answered(sara, engine_answer(*HITS[:1], length=1024), engine_answer(length=1025))
    assert len(await sara.answer(fitting)) == 1024
    request = await sara.request(larger)
    assert request.failure_reason == FAILURE_REASON_RESULT_TOO_LARGE
    assert "1024 bytes" in request.error_message


async def test_each_form_says_what_makes_it_whole(networks: TwoNetworks, answered: Answered) -> None:
    sara = await networks.bring_user()
    reader = Reader(networks, await networks.request.sign_in("sara"))
    body = engine_answer(*HITS, HALF, length=PIECE + 5)
    [request_id] = await answered(sara, body)
    response = await reader.response(request_id)
    for form in ("", "json"):
        data, content_type, headers = await reader.read(request_id, format=form)
        assert (data, content_type) == (body, "application/json")
        assert int(headers["x-airlock-bytes"]) == len(data) == response.result_bytes
        digest = hashlib.sha256(data).digest()
        assert headers["repr-digest"] == f"sha-256=:{base64.b64encode(digest).decode()}:"
        assert response.result_sha256 == digest.hex()
    data, content_type, headers = await reader.read(request_id, format="ndjson")
    assert (data, content_type) == (b"".join(hit + b"\n" for hit in (*HITS, HALF)), "application/x-ndjson")
    assert int(headers["x-airlock-hits"]) == data.count(b"\n") == 4
    assert headers["content-disposition"] == f'attachment; filename="{request_id}.ndjson"'
    options: dict[str, Any] = {"format": "csv", "columns": ["_id,z", "high"]}
    assert await reader.refusal(request_id, **options) == (
        "RESULT_FORMAT",
        NO_TABLE,
    )
    [request_id] = await answered(sara, engine_answer(*HITS[1:], HALF))
    data, content_type, headers = await reader.read(request_id, **options)
    assert (data, content_type) == (
        b"_id,z,high\r\n2,,\r\n3,,\r\n4,,\\ud800\r\n",
        "text/csv; charset=utf-8; header=present",
    )
    assert headers["x-airlock-hits"] == "3"
    data, _, _ = await reader.read(request_id, format="csv", spreadsheet=True)
    assert data.startswith("\ufeff_id,_score,نام,".encode())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"format": "xml"}, "format"),
        ({"format": "CSV"}, "format"),
        ({"columns": ["_id"]}, "columns goes with format=csv only, and the format is json"),
        ({"format": "ndjson", "spreadsheet": True}, "spreadsheet goes with format=csv only"),
        ({"format": "csv", "columns": ["a,,b"]}, "columns holds an empty name"),
        ({"format": "csv", "columns": ["a", "b,a"]}, "columns names a column twice"),
        ({"format": "csv", "columns": [",".join(f"c{n}" for n in range(1001))]}, "at most 1000 are allowed"),
    ],
)
async def test_options_that_say_nothing_are_refused(networks: TwoNetworks, options: dict[str, Any], said: str) -> None:
    await networks.bring_user()
    reader = Reader(networks, await networks.request.sign_in("sara"))
    reason, text = await reader.refusal("8a0d0f0e-0000-4000-8000-000000000000", **options)
    assert reason == "INVALID_FIELD"
    assert said in text
    if said == "format":
        assert all(word in text for word in ("json", "ndjson", "csv"))
