"""ApiKeyService: keys with which programs call this network."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airlock.request.v1 import api_key_service_pb2 as messages
from airlock.request.v1 import api_key_service_pb2_grpc

from common.handlers.times import timestamp
from common.paging import page_size, time_position, time_token
from common.rpc.caller import current_caller, current_principal
from request_svc.handlers.convert import optional_time, uuid_of
from request_svc.usecases.create_api_key import WantedKey, create_api_key
from request_svc.usecases.read_api_keys import get_api_key, list_api_keys
from request_svc.usecases.revoke_api_key import revoke_api_key
from request_svc.usecases.rotate_api_key import WantedRotation, rotate_api_key

if TYPE_CHECKING:
    import grpc

    from request_svc.domain.api_key import ApiKey
    from request_svc.usecases.api_key_rights import ApiKeyContext

    Context = grpc.aio.ServicerContext[Any, Any]


class ApiKeyHandler(api_key_service_pb2_grpc.ApiKeyServiceServicer):
    """The methods of `airlock.request.v1.ApiKeyService`."""

    def __init__(self, keys: ApiKeyContext) -> None:
        self._keys = keys

    async def CreateApiKey(  # noqa: N802 - the method's name in the API, as below.
        self, request: messages.CreateApiKeyRequest, context: Context
    ) -> messages.CreateApiKeyResponse:
        """See the proto."""
        wanted = WantedKey(
            name=request.name,
            scopes=request.scopes,
            expires_at=optional_time(request, "expires_at"),
            lifetime_days=request.lifetime_days if request.HasField("lifetime_days") else None,
            user_id=uuid_of(request.user_id) if request.user_id else None,
        )
        key, text = await create_api_key(
            wanted, caller=current_principal(), origin=current_caller(), context=self._keys
        )
        return messages.CreateApiKeyResponse(api_key=self._message(key), key=text)

    async def ListApiKeys(  # noqa: N802
        self, request: messages.ListApiKeysRequest, context: Context
    ) -> messages.ListApiKeysResponse:
        """See the proto."""
        keys, more = await list_api_keys(
            uuid_of(request.user_id) if request.user_id else None,
            include_ended=request.include_ended,
            before=time_position(request),
            limit=page_size(request),
            caller=current_principal(),
            context=self._keys,
        )
        reply = messages.ListApiKeysResponse(api_keys=[self._message(key) for key in keys])
        if more:
            reply.next_page_token = time_token(request, keys[-1].created_at, keys[-1].key_id)
        return reply

    async def GetApiKey(  # noqa: N802
        self, request: messages.GetApiKeyRequest, context: Context
    ) -> messages.GetApiKeyResponse:
        """See the proto."""
        key = await get_api_key(uuid_of(request.id), caller=current_principal(), context=self._keys)
        return messages.GetApiKeyResponse(api_key=self._message(key))

    async def RotateApiKey(  # noqa: N802
        self, request: messages.RotateApiKeyRequest, context: Context
    ) -> messages.RotateApiKeyResponse:
        """See the proto."""
        wanted = WantedRotation(
            key_id=uuid_of(request.id),
            overlap_hours=request.overlap_hours if request.HasField("overlap_hours") else None,
            lifetime_days=request.lifetime_days if request.HasField("lifetime_days") else None,
            scopes=request.scopes,
        )
        rotation = await rotate_api_key(wanted, caller=current_principal(), origin=current_caller(), context=self._keys)
        return messages.RotateApiKeyResponse(
            api_key=self._message(rotation.new), key=rotation.text, rotated=self._message(rotation.old)
        )

    async def RevokeApiKey(  # noqa: N802
        self, request: messages.RevokeApiKeyRequest, context: Context
    ) -> messages.RevokeApiKeyResponse:
        """See the proto."""
        key, revoked = await revoke_api_key(
            uuid_of(request.id),
            with_successors=request.with_successors,
            caller=current_principal(),
            origin=current_caller(),
            context=self._keys,
        )
        return messages.RevokeApiKeyResponse(api_key=self._message(key), revoked=revoked)

    def _message(self, key: ApiKey) -> messages.ApiKey:
        now = self._keys.clock()
        warning = timedelta(days=self._keys.policy.current.number("api_keys.warning_days"))
        return messages.ApiKey(
            id=str(key.key_id),
            user_id=str(key.user_id),
            name=key.name,
            prefix=key.prefix,
            scopes=key.scopes,
            state=messages.ApiKeyState.Value(f"API_KEY_STATE_{key.state(now).name}"),
            expires_soon=key.expires_soon(now, warning),
            created_at=timestamp(key.created_at),
            created_by=str(key.created_by),
            expires_at=timestamp(key.expires_at),
            last_used_at=timestamp(key.last_used_at),
            last_used_address=key.last_used_address or "",
            rotated_from=str(key.rotated_from or ""),
            rotated_to=str(key.rotated_to or ""),
            overlap_ends_at=timestamp(key.overlap_ends_at),
            revoked_at=timestamp(key.revoked_at),
            revoked_by=str(key.revoked_by or ""),
        )
