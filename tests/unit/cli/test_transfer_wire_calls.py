"""The calls of `transfer export` and `import` one by one, over a channel that plays the service."""

from __future__ import annotations

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import grpc
import grpc_testing
import pytest
from airlock.common.v1 import network_pb2
from airlock.transfer.v1 import transfer_service_pb2
from airlock.transfer.v1.transfer_service_pb2 import ImportBundleResponse, ListBundlesResponse, WaitingBundle
from airlock.transfer.v1.transfer_service_pb2_grpc import TransferServiceStub
from google.api.httpbody_pb2 import HttpBody

from tests.unit.cli.station import REQUEST
from transfer.cli.errors import AccessDeniedError, ServerRefusedError, TransferMismatchError
from transfer.cli.fetching import fetch_waiting
from transfer.cli.output import Output
from transfer.cli.sending import send_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.unit.cli.station import Station

SERVICE = transfer_service_pb2.DESCRIPTOR.services_by_name["TransferService"]
CALLER = (("authorization", "Bearer token"),)
CONTENT = b"sealed bytes"
FILENAME = "requests_20260301_093000_0192f0c1-1111-7000-8000-000000000001.pb.enc"


@pytest.fixture
def channel() -> Any:
    return grpc_testing.channel([SERVICE], grpc_testing.strict_real_time())


@pytest.fixture
def in_background() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(max_workers=1) as pool:
        yield pool


def fetching(pool: ThreadPoolExecutor, channel: Any, folder: Path) -> Future[list[Any]]:
    stub = TransferServiceStub(channel)
    return pool.submit(lambda: list(fetch_waiting(stub, CALLER, "peer", folder, Output(as_json=True))))


def answer_list(channel: Any, **changes: Any) -> None:
    bundle = WaitingBundle(
        batch_id="0192f0c1-1111-7000-8000-000000000001",
        kind=network_pb2.BUNDLE_KIND_REQUESTS,
        filename=FILENAME,
        sequence=1,
        size_bytes=len(CONTENT),
        checksum=hashlib.sha256(CONTENT).hexdigest(),
    )
    for name, value in changes.items():
        setattr(bundle, name, value)
    metadata, _, call = channel.take_unary_unary(SERVICE.methods_by_name["ListBundles"])
    assert CALLER[0] in metadata
    call.terminate(ListBundlesResponse(bundles=[bundle]), (), grpc.StatusCode.OK, "")


def test_pieces_make_up_the_listed_file(channel: Any, in_background: ThreadPoolExecutor, tmp_path: Path) -> None:
    done = fetching(in_background, channel, tmp_path)
    answer_list(channel)
    _, request, call = channel.take_unary_stream(SERVICE.methods_by_name["ExportBundle"])
    assert request.batch_id == "0192f0c1-1111-7000-8000-000000000001"
    for piece in (CONTENT[:5], b"", CONTENT[5:]):
        call.send_response(HttpBody(data=piece))
    call.terminate((), grpc.StatusCode.OK, "")
    ((described, fetched),) = done.result(timeout=10)
    assert (described["filename"], fetched) == (FILENAME, True)
    assert (tmp_path / "requests" / FILENAME).read_bytes() == CONTENT


def test_a_stream_that_ends_early_without_an_error_is_noticed(
    channel: Any, in_background: ThreadPoolExecutor, tmp_path: Path
) -> None:
    done = fetching(in_background, channel, tmp_path)
    answer_list(channel)
    _, _, call = channel.take_unary_stream(SERVICE.methods_by_name["ExportBundle"])
    call.send_response(HttpBody(data=CONTENT[:5]))
    call.terminate((), grpc.StatusCode.OK, "")
    ((_, outcome),) = done.result(timeout=10)
    assert isinstance(outcome, TransferMismatchError)
    assert list((tmp_path / "requests").iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"size_bytes": 2**40}, "name and size"), ({"kind": network_pb2.BUNDLE_KIND_USERS}, "name and size")],
)
def test_what_cannot_be_a_bundle_is_not_asked_for(
    channel: Any, in_background: ThreadPoolExecutor, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    done = fetching(in_background, channel, tmp_path)
    answer_list(channel, **changes)
    ((_, outcome),) = done.result(timeout=10)
    assert isinstance(outcome, TransferMismatchError)
    assert said in outcome.message


def test_a_refused_list_ends_the_command(channel: Any, in_background: ThreadPoolExecutor, tmp_path: Path) -> None:
    done = fetching(in_background, channel, tmp_path)
    _, _, call = channel.take_unary_unary(SERVICE.methods_by_name["ListBundles"])
    call.terminate(None, (), grpc.StatusCode.PERMISSION_DENIED, "Only operators may transfer.")
    with pytest.raises(AccessDeniedError, match="Only operators may transfer"):
        done.result(timeout=10)


def test_a_file_is_sent_in_pieces_and_the_receipt_compared(
    channel: Any, in_background: ThreadPoolExecutor, station: Station
) -> None:
    bundle = station.seal("requests", REQUEST)
    content = bundle.read_bytes()
    stub = TransferServiceStub(channel)
    done = in_background.submit(send_file, stub, CALLER, "peer", bundle, Output(as_json=True))
    _, call = channel.take_stream_unary(SERVICE.methods_by_name["ImportBundle"])
    assert call.take_request().body.data == content
    call.requests_closed()
    receipt = ImportBundleResponse(
        filename=bundle.name, size_bytes=len(content), checksum=hashlib.sha256(content).hexdigest()
    )
    call.terminate(receipt, (), grpc.StatusCode.OK, "")
    assert done.result(timeout=10)["filename"] == bundle.name


def test_a_refused_bundle_is_reported_with_the_servers_words(
    channel: Any, in_background: ThreadPoolExecutor, station: Station
) -> None:
    bundle = station.seal("requests", REQUEST)
    stub = TransferServiceStub(channel)
    done = in_background.submit(send_file, stub, CALLER, "peer", bundle, Output(as_json=True))
    _, call = channel.take_stream_unary(SERVICE.methods_by_name["ImportBundle"])
    call.terminate(None, (), grpc.StatusCode.INVALID_ARGUMENT, "The bundle is from this network.")
    with pytest.raises(ServerRefusedError, match="The bundle is from this network"):
        done.result(timeout=10)
