"""UserReplicaService: the users as the Response Network last sent them, read only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airlock.request.v1 import user_replica_service_pb2 as messages
from airlock.request.v1 import user_replica_service_pb2_grpc

from common.paging import next_token, page_size, position_of
from request_svc.handlers.convert import user_message, uuid_of
from request_svc.ports import UserFilter
from request_svc.usecases.list_users import get_user, list_users

if TYPE_CHECKING:
    import grpc

    from common.database.transaction import Database
    from request_svc.ports import UserStore


class UserReplicaHandler(user_replica_service_pb2_grpc.UserReplicaServiceServicer):
    """The methods of `airlock.request.v1.UserReplicaService`."""

    def __init__(self, database: Database, users: UserStore) -> None:
        self._database = database
        self._users = users

    async def ListUsers(  # noqa: N802 - the method's name in the API.
        self, request: messages.ListUsersRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> messages.ListUsersResponse:
        """See the proto."""
        position = position_of(request, str)
        users, more = await list_users(
            UserFilter(request.username_prefix, request.is_active if request.HasField("is_active") else None),
            after=None if position is None else position[0],
            limit=page_size(request),
            database=self._database,
            users=self._users,
        )
        reply = messages.ListUsersResponse(users=[user_message(user) for user in users])
        if more:
            reply.next_page_token = next_token(request, users[-1].username)
        return reply

    async def GetUser(  # noqa: N802 - the method's name in the API.
        self, request: messages.GetUserRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> messages.GetUserResponse:
        """See the proto."""
        user = await get_user(uuid_of(request.id), database=self._database, users=self._users)
        return messages.GetUserResponse(user=user_message(user))
