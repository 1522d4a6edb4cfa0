"""The least that grpc.aio can do for a call: a server that reads the message and answers an empty one.

`python -m bench.bare_server SOCKET` serves until its standard input ends.
"""

from __future__ import annotations

import asyncio
import sys

import grpc
from airlock.request.v1.request_service_pb2 import SubmitRequestRequest, SubmitRequestResponse

METHOD = "/airlock.request.v1.RequestService/SubmitRequest"


class BareHandler(grpc.GenericRpcHandler):
    """Answers every method."""

    def service(
        self, _details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[SubmitRequestRequest, SubmitRequestResponse]:
        """The one behaviour there is."""
        return grpc.unary_unary_rpc_method_handler(
            answer,
            request_deserializer=SubmitRequestRequest.FromString,
            response_serializer=SubmitRequestResponse.SerializeToString,
        )


async def answer(_request: SubmitRequestRequest, _context: object) -> SubmitRequestResponse:
    """Nothing."""
    return SubmitRequestResponse()


async def serve(socket: str) -> None:
    """Until standard input ends."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((BareHandler(),))
    server.add_insecure_port(f"unix:{socket}")
    await server.start()
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(None)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
