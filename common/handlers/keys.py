"""OpsService: which keys are used and trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airlock.ops.v1 import keys_pb2 as pb
from airlock.ops.v1.ops_service_pb2_grpc import OpsServiceServicer

from common.handlers.times import timestamp
from common.operations.keys import list_keys, revoke_key
from common.rpc.caller import current_caller

if TYPE_CHECKING:
    import grpc

    from common.batches.exchange import Exchange


class KeyMethods(OpsServiceServicer):
    """The part of the service that is about keys."""

    _exchange: Exchange

    async def ListKeys(  # noqa: N802 - the name is the proto's, as everywhere here.
        self, request: pb.ListKeysRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.ListKeysResponse:
        """All of them."""
        view = await list_keys(self._exchange.context)
        return pb.ListKeysResponse(
            encryption_keys=[pb.EncryptionKey(version=name, state=state) for name, state in view.encryption.items()],
            signing_keys=[
                pb.OwnSigningKey(
                    key_id=key.key_id.hex(),
                    state=key.state,
                    announced_at=timestamp(key.announced_at),
                    confirmed_at=timestamp(key.confirmed_at),
                )
                for key in view.own
            ],
            peer_signing_keys=[
                pb.PeerSigningKey(
                    key_id=key.key_id.hex(),
                    state=key.state,
                    since=timestamp(key.since),
                    introduced_by=key.introduced_by.hex(),
                )
                for key in view.peer
            ],
            peer_reads_key_versions=view.peer_reads,
        )

    async def RevokeSigningKey(  # noqa: N802
        self, request: pb.RevokeSigningKeyRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.RevokeSigningKeyResponse:
        """From now on nothing that it signed counts."""
        revoked = await revoke_key(self._exchange.context, request.key_id, request.reason, current_caller())
        return pb.RevokeSigningKeyResponse(
            trusted_keys=revoked.trusted_keys,
            introduced_key_ids=[key_id.hex() for key_id in revoked.introduced],
            not_kept=revoked.not_kept,
        )
