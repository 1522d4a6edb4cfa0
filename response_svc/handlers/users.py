"""UserService: users of both networks, whose only master is this one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from airlock.response.v1 import user_service_pb2 as pb
from airlock.response.v1.user_service_pb2_grpc import UserServiceServicer

from common.handlers.times import timestamp
from common.paging import next_token, page_size, position_of
from common.rpc.caller import current_caller
from response_svc.domain.user import NewUser, Role, User, UserChanges
from response_svc.usecases.change_users import create_user, deactivate_user, set_password, update_user
from response_svc.usecases.read_users import get_user, list_users

if TYPE_CHECKING:
    from collections.abc import Collection

    import grpc
    from google.protobuf.message import Message

    from response_svc.usecases.change_users import UserContext

CHOSEN = ("rate_limit_per_minute", "rate_limit_per_hour", "rate_limit_per_day", "priority")
CHANGEABLE = ("email", "full_name", "profile_type", *CHOSEN)


class UserHandler(UserServiceServicer):
    """The methods of `airlock.response.v1.UserService`."""

    def __init__(self, users: UserContext) -> None:
        self._users = users

    async def CreateUser(  # noqa: N802 - the method's name in the API, as everywhere here.
        self, request: pb.CreateUserRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.CreateUserResponse:
        """See the proto."""
        user = await create_user(self._users, new_user(request), caller=current_caller())
        return pb.CreateUserResponse(user=user_message(user))

    async def GetUser(  # noqa: N802
        self, request: pb.GetUserRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.GetUserResponse:
        """See the proto."""
        user = await get_user(self._users, UUID(request.id))
        return pb.GetUserResponse(user=user_message(user))

    async def ListUsers(  # noqa: N802
        self, request: pb.ListUsersRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.ListUsersResponse:
        """See the proto."""
        position = position_of(request, str)
        users, more = await list_users(
            self._users,
            prefix=request.username_prefix,
            is_active=request.is_active if request.HasField("is_active") else None,
            after=position[0] if position else None,
            limit=page_size(request),
        )
        token = next_token(request, users[-1].username) if more else ""
        return pb.ListUsersResponse(users=[user_message(user) for user in users], next_page_token=token)

    async def UpdateUser(  # noqa: N802
        self, request: pb.UpdateUserRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.UpdateUserResponse:
        """See the proto."""
        user = await update_user(self._users, UUID(request.id), changes_of(request), caller=current_caller())
        return pb.UpdateUserResponse(user=user_message(user))

    async def SetPassword(  # noqa: N802
        self, request: pb.SetPasswordRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.SetPasswordResponse:
        """See the proto."""
        await set_password(self._users, UUID(request.id), request.password, caller=current_caller())
        return pb.SetPasswordResponse()

    async def DeactivateUser(  # noqa: N802
        self, request: pb.DeactivateUserRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.DeactivateUserResponse:
        """See the proto."""
        user = await deactivate_user(self._users, UUID(request.id), caller=current_caller())
        return pb.DeactivateUserResponse(user=user_message(user))


def new_user(request: pb.CreateUserRequest) -> NewUser:
    """The user that a call asks for, with what it leaves open at its default."""
    return NewUser(
        username=request.username,
        email=request.email,
        password=request.password,
        full_name=request.full_name,
        role=Role(request.role or Role.USER),
        profile_type=request.profile_type or "basic",
        **given(request, CHOSEN),
    )


def changes_of(request: pb.UpdateUserRequest) -> UserChanges:
    """What a call asks to change."""
    role = Role(request.role) if request.HasField("role") else None
    return UserChanges(role=role, **given(request, CHANGEABLE))


def given(request: Message, names: Collection[str]) -> dict[str, Any]:
    """Those of the named optional fields that the call sets."""
    return {field.name: value for field, value in request.ListFields() if field.name in names}


def user_message(user: User) -> pb.User:
    """The user as callers see him: everything but the password's hash."""
    return pb.User(
        id=str(user.id),
        username=user.username,
        email=user.email,
        full_name=user.full_name,
        role=user.role.value,
        profile_type=user.profile_type,
        rate_limit_per_minute=user.rate_limit_per_minute,
        rate_limit_per_hour=user.rate_limit_per_hour,
        rate_limit_per_day=user.rate_limit_per_day,
        priority=user.priority,
        is_active=user.is_active,
        revision=user.revision,
        created_at=timestamp(user.created_at),
        updated_at=timestamp(user.updated_at),
        last_login=timestamp(user.last_login),
    )
