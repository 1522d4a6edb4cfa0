"""Finds an answer and gives its bytes exactly as the engine wrote them, never more than one piece of them in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from common.errors import ResultNotReadyError, UnavailableError
from request_svc.domain.status import RequestStatus
from request_svc.usecases.get_request import own_request, short_answer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from uuid import UUID

    from common.auth.principal import Principal
    from common.database.transaction import Database
    from request_svc.domain.request import Request, Response
    from request_svc.ports import AnswerCache, RequestStore, ResponseStore


@dataclass(frozen=True, slots=True)
class StoredResult:
    """An answer that is here. It never changes, so it may be read several times."""

    response: Response
    database: Database
    responses: ResponseStore
    cache: AnswerCache

    async def pieces(self) -> AsyncGenerator[bytes]:
        """Pieces of at most 256 KiB, in order.

        Each is read in a transaction of its own, so that a slow reader holds no connection.
        """
        request_id = self.response.request_id
        whole = await short_answer(request_id, database=self.database, responses=self.responses, cache=self.cache)
        if whole is not None:
            yield whole
            return
        sent, number = 0, 0
        while sent < self.response.result_bytes:
            async with self.database.transaction() as transaction:
                piece = await self.responses.piece(transaction.connection, request_id, number)
            if piece is None:
                raise UnavailableError(
                    f"Piece {number} of the answer to {request_id} is gone; tell an operator.",
                    metadata={"part": "postgresql"},
                )
            yield piece
            sent, number = sent + len(piece), number + 1


async def find_result(
    request_id: UUID,
    *,
    caller: Principal,
    database: Database,
    requests: RequestStore,
    responses: ResponseStore,
    cache: AnswerCache,
) -> StoredResult:
    """Raises NotFoundError, or ResultNotReadyError where there is no answer yet or never will be."""
    async with database.transaction() as transaction:
        connection = transaction.connection
        request = await own_request(connection, requests, request_id, caller)
        response = _ready(request, await responses.find(connection, request_id))
    return StoredResult(response, database, responses, cache)


def _ready(request: Request, response: Response | None) -> Response:
    if request.status is RequestStatus.COMPLETED and response is not None:
        return response
    if request.status.is_final:
        why = f": {request.error_message}" if request.error_message else "."
        text = f"The request is {request.status} and has no answer{why}"
    else:
        text = f"The request is {request.status}; its answer is not here yet. Watch it or ask again later."
    raise ResultNotReadyError(text, metadata={"state": request.status})
