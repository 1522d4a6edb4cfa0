"""AuthService: sign in, refresh, sign out, one's own sessions, and who am I."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from airlock.auth.v1 import auth_service_pb2 as pb
from airlock.auth.v1.auth_service_pb2_grpc import AuthServiceServicer

from common.auth.own_sessions import end_own_session, end_own_sessions, list_sessions
from common.auth.refresh import refresh
from common.auth.sign_in import sign_in
from common.auth.sign_out import sign_out
from common.errors import SessionEndedError
from common.handlers.times import timestamp
from common.paging import page_size, time_position, time_token
from common.rpc.caller import current_caller, current_principal

if TYPE_CHECKING:
    import grpc

    from common.auth.context import AuthContext, TokenPair
    from common.auth.open_sessions import Session


class AuthHandler(AuthServiceServicer):
    """Sign-in against this network's accounts."""

    def __init__(self, auth: AuthContext) -> None:
        self._auth = auth

    async def Login(self, request: pb.LoginRequest, context: grpc.aio.ServicerContext[Any, Any]) -> pb.LoginResponse:  # noqa: N802
        """Opens a session."""
        pair = await sign_in(self._auth, username=request.username, password=request.password, caller=current_caller())
        return pb.LoginResponse(tokens=_tokens(pair))

    async def RefreshToken(  # noqa: N802 - the name is the proto's, as everywhere here.
        self, request: pb.RefreshTokenRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.RefreshTokenResponse:
        """Spends a refresh token."""
        pair = await refresh(self._auth, refresh_token=request.refresh_token, caller=current_caller())
        return pb.RefreshTokenResponse(tokens=_tokens(pair))

    async def Logout(self, request: pb.LogoutRequest, context: grpc.aio.ServicerContext[Any, Any]) -> pb.LogoutResponse:  # noqa: N802
        """Ends the caller's session."""
        await sign_out(self._auth, principal=current_principal(), caller=current_caller())
        return pb.LogoutResponse()

    async def ListSessions(  # noqa: N802
        self, request: pb.ListSessionsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.ListSessionsResponse:
        """The caller's open sessions."""
        principal = current_principal()
        found, more = await list_sessions(
            self._auth, principal=principal, before=time_position(request), limit=page_size(request)
        )
        token = time_token(request, found[-1].signed_in_at, found[-1].session_id) if more else ""
        sessions = [_session(session, principal.session_id) for session in found]
        return pb.ListSessionsResponse(sessions=sessions, next_page_token=token)

    async def EndSession(  # noqa: N802
        self, request: pb.EndSessionRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.EndSessionResponse:
        """Ends one of the caller's sessions."""
        await end_own_session(self._auth, UUID(request.id), principal=current_principal(), caller=current_caller())
        return pb.EndSessionResponse()

    async def EndAllSessions(  # noqa: N802
        self, request: pb.EndAllSessionsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.EndAllSessionsResponse:
        """Ends the caller's sessions."""
        ended = await end_own_sessions(
            self._auth, keep_current=request.keep_current, principal=current_principal(), caller=current_caller()
        )
        return pb.EndAllSessionsResponse(ended=ended)

    async def GetCaller(  # noqa: N802
        self, request: pb.GetCallerRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.GetCallerResponse:
        """The caller as his account is now."""
        principal = current_principal()
        async with self._auth.database.transaction() as transaction:
            account = await self._auth.directory.find_by_id(transaction.connection, principal.user_id)
        if account is None:
            raise SessionEndedError("This account is gone; sign in again.")
        key = principal.key
        age = self._auth.replica_age.warning() if self._auth.replica_age is not None else None
        return pb.GetCallerResponse(
            user_id=str(account.user_id),
            username=account.username,
            full_name=account.full_name,
            role=principal.role,
            profile_type=account.profile_type,
            priority=self._auth.policy.current.limits_of(account.limits, account.profile_type).priority,
            permissions=sorted(principal.permissions),
            api_key=None
            if key is None
            else pb.CallerKey(id=str(key.key_id), name=key.name, expires_at=timestamp(key.ends_at)),
            replica_age_seconds=int(age.total_seconds()) if age is not None else None,
        )


def _tokens(pair: TokenPair) -> pb.TokenPair:
    return pb.TokenPair(
        access_token=pair.access_token,
        refresh_token=pair.refresh_token,
        token_type="Bearer",  # noqa: S106 - a scheme's name, no secret.
        expires_in=pair.expires_in,
        refresh_expires_at=timestamp(pair.refresh_expires_at),
    )


def _session(session: Session, current: UUID) -> pb.Session:
    return pb.Session(
        id=str(session.session_id),
        signed_in_at=timestamp(session.signed_in_at),
        refreshed_at=timestamp(session.refreshed_at),
        expires_at=timestamp(session.expires_at),
        address=session.address or "",
        user_agent=session.user_agent or "",
        current=session.session_id == current,
    )
