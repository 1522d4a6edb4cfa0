"""One log line and three metrics for every call: what was called, by whom, how it ended and how long it took."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc
import structlog

from common import metrics
from common.rpc.caller import current_caller
from common.rpc.errors import as_airlock_error, reason_name, status_code
from common.rpc.wrapping import CallInterceptor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

log = structlog.get_logger("api.access")


class AccessLogInterceptor(CallInterceptor):
    """Measures the call from inside the error translation, where the error is still itself."""

    @asynccontextmanager
    async def around(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[None]:
        """Counts and logs the call when it ends, however it ends."""
        started = time.perf_counter()
        code, reason = grpc.StatusCode.OK, ""
        try:
            yield
        except (asyncio.CancelledError, GeneratorExit):
            code = grpc.StatusCode.CANCELLED
            raise
        except Exception as error:
            refusal = as_airlock_error(error)
            code, reason = status_code(refusal), reason_name(refusal.reason)
            raise
        finally:
            _tell(method, code, reason, time.perf_counter() - started)


def _tell(method: str, code: grpc.StatusCode, reason: str, seconds: float) -> None:
    metrics.REQUEST_TOTAL.labels(method, code.name).inc()
    metrics.REQUEST_DURATION.labels(method).observe(seconds)
    if code is not grpc.StatusCode.OK:
        metrics.REQUEST_ERRORS_TOTAL.labels(method, reason or code.name).inc()
    principal = current_caller().principal
    log.info(
        "call",
        status=code.name,
        duration_ms=round(seconds * 1000, 3),
        **({"reason": reason} if reason else {}),
        **({"user_id": str(principal.user_id)} if principal is not None else {}),
    )
