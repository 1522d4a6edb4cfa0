"""Asks one question over gRPC and prints its answer; docs/query-guide.md explains the search.

python ask.py, with URL, CA, AIRLOCK_USERNAME and AIRLOCK_PASSWORD in the environment. Only grpcio and gen/ are needed.
"""

import hashlib
import os
import sys
import uuid
from pathlib import Path

import grpc
from airlock.auth.v1.auth_service_pb2 import LoginRequest
from airlock.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from airlock.request.v1.request_pb2 import (
    REQUEST_STATUS_CANCELLED,
    REQUEST_STATUS_COMPLETED,
    REQUEST_STATUS_FAILED,
    Request,
)
from airlock.request.v1.request_service_pb2 import (
    GetRequestRequest,
    GetRequestResultRequest,
    SubmitRequestRequest,
    WatchRequestsRequest,
)
from airlock.request.v1.request_service_pb2_grpc import RequestServiceStub
from airlock.search.v1.query_pb2 import MatchQuery, Query
from airlock.search.v1.scalar_pb2 import Scalar
from airlock.search.v1.search_pb2 import Search, SourceFilter

FINAL = {REQUEST_STATUS_COMPLETED, REQUEST_STATUS_FAILED, REQUEST_STATUS_CANCELLED}
HALF_AN_HOUR = 1800
SEARCH = Search(
    query=Query(match={"alternate_names": MatchQuery(query=Scalar(string_value="تهران"))}),
    size=1,
    source_filter=SourceFilter(includes=["name", "population"]),
)


def signed_in(channel: grpc.Channel) -> list[tuple[str, str]]:
    """What every further call carries; good for an hour."""
    login = LoginRequest(username=os.environ["AIRLOCK_USERNAME"], password=os.environ["AIRLOCK_PASSWORD"])
    tokens = AuthServiceStub(channel).Login(login, timeout=30).tokens
    return [("authorization", f"Bearer {tokens.access_token}")]


def submit(channel: grpc.Channel) -> Request:
    """The request as accepted. It is durable now; with the same key the same question is the same request."""
    question = SubmitRequestRequest(index="cities", search=SEARCH, idempotency_key=str(uuid.uuid4()))
    return RequestServiceStub(channel).SubmitRequest(question, metadata=signed_in(channel), timeout=30).request


def settled(channel: grpc.Channel, request: Request) -> Request:
    """The request once it is final. Media are carried by people, so that may be tomorrow; each watch ends by itself."""
    while request.status not in FINAL:
        watch = WatchRequestsRequest(ids=[request.id], timeout_seconds=HALF_AN_HOUR)
        for change in RequestServiceStub(channel).WatchRequests(watch, metadata=signed_in(channel)):
            request = change.request
    return request


def read(channel: grpc.Channel, request: Request) -> bytes:
    """The engine's answer, byte for byte, checked against what GetRequest says of it."""
    stub, metadata = RequestServiceStub(channel), signed_in(channel)
    about = stub.GetRequest(GetRequestRequest(id=request.id), metadata=metadata, timeout=30).response
    pieces = stub.GetRequestResult(GetRequestResultRequest(id=request.id), metadata=metadata)
    body = b"".join(piece.data for piece in pieces)
    if hashlib.sha256(body).hexdigest() != about.result_sha256:
        sys.exit("the answer was cut on the way; read it again")
    return body


def main() -> None:
    """Submits, waits and reads."""
    credentials = grpc.ssl_channel_credentials(Path(os.environ["CA"]).read_bytes())
    with grpc.secure_channel(os.environ["URL"].removeprefix("https://"), credentials) as channel:
        request = submit(channel)
        print(f"asked as {request.id}", file=sys.stderr)
        request = settled(channel, request)
        if request.status != REQUEST_STATUS_COMPLETED:
            sys.exit(request.error_message or "cancelled")
        print(read(channel, request).decode())


if __name__ == "__main__":
    try:
        main()
    except grpc.RpcError as refused:
        sys.exit(f"refused: {refused.code().name}: {refused.details()}")
    except KeyError as missing:
        sys.exit(f"set {missing} in the environment")
