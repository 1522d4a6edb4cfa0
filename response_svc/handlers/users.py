"""UserService: users of both networks, whose only master is this one."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from airlock.response.v1 import user_service_pb2 as pb
from airlock.response.v1.user_service_pb2_grpc import UserServiceServicer

from common.errors import PageTokenInvalidError
from common.handlers.times import timestamp
from common.paging import next_token, page_size, position_of
from common.rpc.caller import current_caller, current_principal
from response_svc.domain.user import NewUser, Role, User, UserChanges
from response_svc.domain.user_list import BY_NAME, NEVER, UserFilter, UserPlace, order_of, place_of
from response_svc.usecases.change_own_password import change_own_password
from response_svc.usecases.change_users import (
    create_user,
    deactivate_user,
    end_sessions,
    reactivate_user,
    set_password,
    update_user,
)
from response_svc.usecases.read_users import get_user, list_users

if TYPE_CHECKING:
    from collections.abc import Collection

    import grpc
    from google.protobuf.message import Message

    from common.auth.context import AuthContext
    from common.policy.limits import EffectiveLimits
    from response_svc.usecases.change_users import UserContext

CHOSEN = ("rate_limit_per_minute", "rate_limit_per_hour", "rate_limit_per_day", "priority")
CHANGEABLE = ("email", "full_name", "profile_type", *CHOSEN)


class UserHandler(UserServiceServicer):
    """The methods of `airlock.response.v1.UserService`."""

    def __init__(self, users: UserContext, auth: AuthContext) -> None:
        self._users = users
        self._auth = auth

    async def CreateUser(  # noqa: N802 - the method's name in the API, as everywhere here.
        self, request: pb.CreateUserRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.CreateUserResponse:
        """See the proto."""
        user = await create_user(self._users, new_user(request), caller=current_caller())
        return pb.CreateUserResponse(user=self._message(user))

    async def GetUser(  # noqa: N802
        self, request: pb.GetUserRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.GetUserResponse:
        """See the proto."""
        user = await get_user(self._users, UUID(request.id))
        return pb.GetUserResponse(user=self._message(user))

    async def ListUsers(  # noqa: N802
        self, request: pb.ListUsersRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.ListUsersResponse:
        """See the proto."""
        order = order_of(request.order_by)
        wanted = UserFilter(
            username_prefix=request.username_prefix,
            is_active=request.is_active if request.HasField("is_active") else None,
            role=request.role,
            profile_type=request.profile_type,
        )
        users, more = await list_users(
            self._users, wanted=wanted, order=order, after=asked_place(request), limit=page_size(request)
        )
        token = place_token(request, place_of(users[-1], order)) if more else ""
        return pb.ListUsersResponse(users=[self._message(user) for user in users], next_page_token=token)

    async def UpdateUser(  # noqa: N802
        self, request: pb.UpdateUserRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.UpdateUserResponse:
        """See the proto."""
        user = await update_user(self._users, UUID(request.id), changes_of(request), caller=current_caller())
        return pb.UpdateUserResponse(user=self._message(user))

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
        return pb.DeactivateUserResponse(user=self._message(user))

    async def ReactivateUser(  # noqa: N802
        self, request: pb.ReactivateUserRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.ReactivateUserResponse:
        """See the proto."""
        user = await reactivate_user(self._users, UUID(request.id), caller=current_caller())
        return pb.ReactivateUserResponse(user=self._message(user))

    async def EndUserSessions(  # noqa: N802
        self, request: pb.EndUserSessionsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.EndUserSessionsResponse:
        """See the proto."""
        await end_sessions(self._users, UUID(request.id), caller=current_caller())
        return pb.EndUserSessionsResponse()

    async def ChangeOwnPassword(  # noqa: N802
        self, request: pb.ChangeOwnPasswordRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.ChangeOwnPasswordResponse:
        """See the proto."""
        await change_own_password(
            self._users,
            self._auth,
            old_password=request.old_password,
            new_password=request.new_password,
            principal=current_principal(),
            caller=current_caller(),
        )
        return pb.ChangeOwnPasswordResponse()

    def _message(self, user: User) -> pb.User:
        return user_message(user, self._auth.policy.current.limits_of(user.limits, user.profile_type))


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
    return UserChanges(role=role, inherit=tuple(request.inherit), **given(request, CHANGEABLE))


def asked_place(request: pb.ListUsersRequest) -> UserPlace | None:
    """The place after which the page begins; None on the first page. Raises PageTokenInvalidError."""
    by_time = order_of(request.order_by).by != BY_NAME
    position = position_of(request, int if by_time else str, str)
    if position is None:
        return None
    value, user_id = position
    try:
        return UserPlace(NEVER + timedelta(microseconds=value) if by_time else value, UUID(user_id))
    except (ValueError, OverflowError):
        raise PageTokenInvalidError("The page token does not belong to this list; begin without one.") from None


def place_token(request: pb.ListUsersRequest, place: UserPlace) -> str:
    """The token with which the page after that place begins."""
    value = place.value
    position = value if isinstance(value, str) else (value - NEVER) // timedelta(microseconds=1)
    return next_token(request, position, str(place.user_id))


def given(request: Message, names: Collection[str]) -> dict[str, Any]:
    """Those of the named optional fields that the call sets."""
    return {field.name: value for field, value in request.ListFields() if field.name in names}


def user_message(user: User, limits: EffectiveLimits) -> pb.User:
    """The user as callers see him, with the limits that count for him: everything but the password's hash."""
    return pb.User(
        id=str(user.id),
        username=user.username,
        email=user.email,
        full_name=user.full_name,
        role=user.role.value,
        profile_type=user.profile_type,
        rate_limit_per_minute=limits.rates.per_minute,
        rate_limit_per_hour=limits.rates.per_hour,
        rate_limit_per_day=limits.rates.per_day,
        priority=limits.priority,
        is_active=user.is_active,
        revision=user.revision,
        created_at=timestamp(user.created_at),
        updated_at=timestamp(user.updated_at),
        last_login=timestamp(user.last_login),
        inherits=user.inherits,
    )
