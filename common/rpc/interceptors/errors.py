"""Turns whatever a call raises into a status that its caller can act upon, and logs in full what he must not see."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc
import structlog
from airlock.common.v1 import error_reason_pb2 as reasons

from common.rpc.answer_headers import unsent_headers
from common.rpc.caller import current_request_id
from common.rpc.errors import as_airlock_error, error_metadata, status_code
from common.rpc.trailers import fitting
from common.rpc.wrapping import CallInterceptor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

log = structlog.get_logger("api.errors")


class ErrorInterceptor(CallInterceptor):
    """Stands around everything that may refuse a call."""

    @asynccontextmanager
    async def around(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[None]:
        """Ends a failed call with `abort`, whose trailing metadata Envoy passes on to REST callers."""
        try:
            yield
        except grpc.aio.AbortError:
            raise
        except Exception as error:
            refusal = as_airlock_error(error)
            if refusal.reason == reasons.ERROR_REASON_INTERNAL:
                log.exception("call_failed", method=method)
            elif refusal is not error:
                log.warning("part_unavailable", method=method, part=refusal.metadata.get("part"), exc_info=error)
            sent = fitting(refusal)
            told = (*error_metadata(sent, current_request_id()), *unsent_headers())
            await context.abort(status_code(sent), sent.message, told)
