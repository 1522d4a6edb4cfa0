"""Tells the audit trail of calls that were refused for who called, or for how often."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from airlock.common.v1 import error_reason_pb2 as reasons

from common.audit.refusals import Refusal
from common.errors import AirlockError
from common.rpc.caller import current_caller
from common.rpc.errors import reason_name, status_code
from common.rpc.wrapping import CallInterceptor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import grpc

    from common.audit.refusals import RefusalWriter

AUDITED: Final = frozenset(
    {
        reasons.ERROR_REASON_CREDENTIALS_MISSING,
        reasons.ERROR_REASON_TOKEN_INVALID,
        reasons.ERROR_REASON_TOKEN_EXPIRED,
        reasons.ERROR_REASON_SESSION_ENDED,
        reasons.ERROR_REASON_PERMISSION_MISSING,
        reasons.ERROR_REASON_INDEX_NOT_ALLOWED,
        reasons.ERROR_REASON_RATE_LIMITED,
        reasons.ERROR_REASON_REPLICA_TOO_OLD,
    }
)
"""CREDENTIALS_WRONG is not among them: signing in writes that itself, in its own transaction."""
_WRITTEN_BY_THE_CALL: Final = {
    "/airlock.auth.v1.AuthService/Login": frozenset({reasons.ERROR_REASON_REPLICA_TOO_OLD}),
    "/airlock.auth.v1.AuthService/RefreshToken": frozenset(
        {reasons.ERROR_REASON_TOKEN_EXPIRED, reasons.ERROR_REASON_SESSION_ENDED}
    ),
}


class RefusalInterceptor(CallInterceptor):
    """Stands around the sign-in, where the refusal is still itself. Never slows or fails a call."""

    def __init__(self, writer: RefusalWriter) -> None:
        self._writer = writer

    @asynccontextmanager
    async def around(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[None]:
        """Notes the refusal and lets it pass."""
        try:
            yield
        except AirlockError as error:
            if error.reason in AUDITED and error.reason not in _WRITTEN_BY_THE_CALL.get(method, ()):
                caller = current_caller()
                self._writer.note(
                    Refusal(
                        method=method,
                        reason=reason_name(error.reason),
                        status=status_code(error).value[0],
                        user_id=caller.principal.user_id if caller.principal is not None else None,
                        address=caller.address,
                        user_agent=caller.user_agent,
                        request_id=caller.request_id,
                    )
                )
            raise
