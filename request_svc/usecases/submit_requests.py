"""Accepts several questions together: all of them in one transaction, or none."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from airlock.common.v1 import budget_pb2

from common.errors import AirlockError, IdempotencyConflictError, UnavailableError
from request_svc.domain.batch_refusal import batch_refusal
from request_svc.domain.request import check_same_question, new_as_stored
from request_svc.usecases.read_question import audit_entry, new_request, read_question

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.rpc.caller import Caller
    from request_svc.domain.batch import Batch
    from request_svc.domain.question import Question
    from request_svc.domain.request import NewRequest, Request
    from request_svc.ports import NewRow, RequestStore, RequestWriter
    from request_svc.usecases.read_question import Asking

_ONE_KEY: Final = "This idempotency key stands at another question of the same call; give each question its own."


async def submit_requests(
    batch: Batch,
    asking: Asking,
    *,
    new_id: Callable[[], UUID],
    origin: Caller,
    writer: RequestWriter,
    requests: RequestStore,
) -> list[Request]:
    """The requests in the order of the questions; those whose key and question came before are the ones of then.

    Raises RateLimitedError, having counted nothing, where not all of them may be asked now, and one AirlockError that
    names every wrong question by its position, having stored nothing.
    """
    rows = await _checked(await _counted(batch, origin), asking, new_id, origin)
    together = _Together(rows, requests)
    await writer.write_together(together.distinct(), together.settle)
    return together.accepted()


async def _counted(batch: Batch, origin: Caller) -> Sequence[Callable[[], Question]]:
    """The questions, of which none has been read. What cannot be told apart counts as one: it has cost work too."""
    try:
        readers = batch.split()
    except AirlockError:
        await origin.spend(budget_pb2.BUDGET_SUBMISSION, 1)
        raise
    await origin.spend(budget_pb2.BUDGET_SUBMISSION, len(readers))
    return readers


async def _checked(
    readers: Sequence[Callable[[], Question]], asking: Asking, new_id: Callable[[], UUID], origin: Caller
) -> list[NewRow]:
    """All of them, ready to be stored. A microsecond apart, so that lists and executions keep their order."""
    rows: list[NewRow] = []
    refused: dict[int, AirlockError] = {}
    for position, read in enumerate(readers):
        try:
            checked = read_question(read(), asking)
        except AirlockError as error:
            refused[position] = error
        else:
            created_at = asking.now + timedelta(microseconds=position)
            new = new_request(checked, asking, request_id=new_id(), created_at=created_at, trace_id=origin.request_id)
            rows.append((new, audit_entry(new, origin)))
        # A hundred large bodies take a while, in which other calls must not stand still.
        await asyncio.sleep(0)
    if refused:
        raise batch_refusal(refused, len(readers))
    return rows


class _Together:
    """What becomes of checked questions: each is stored, or was before, or has the key of an earlier one among them."""

    def __init__(self, rows: Sequence[NewRow], requests: RequestStore) -> None:
        self._rows = rows
        self._requests = requests
        self._first_with: dict[str, NewRequest] = {}
        self._known: dict[str, Request] = {}

    def distinct(self) -> list[NewRow]:
        """Those to be stored, no two of one key. Raises the refusal of different questions with one key."""
        found: list[NewRow] = []
        for new, audit in self._rows:
            key = new.idempotency_key
            if key is None or self._first_with.setdefault(key, new) is new:
                found.append((new, audit))
        firsts = {key: (new_as_stored(new), new.search) for key, new in self._first_with.items()}
        self._refuse({position: IdempotencyConflictError(_ONE_KEY) for position in self._others(firsts)})
        return found

    async def settle(self, connection: AsyncConnection, known: Sequence[NewRequest]) -> None:
        """Finds the requests whose keys were there before. Raises the refusal of questions that are not theirs."""
        self._known = {}
        if not known:
            return
        keys = [new.idempotency_key for new in known if new.idempotency_key is not None]
        earlier = await self._requests.find_by_keys(connection, known[0].user_id, keys)
        if len(earlier) < len(keys):
            raise UnavailableError("A request under one of these idempotency keys is just being removed; try again.")
        self._refuse(self._others(earlier))
        self._known = {key: request for key, (request, _) in earlier.items()}

    def accepted(self) -> list[Request]:
        """The requests in the order of the questions, once they are committed."""
        return [self._accepted(new) for new, _ in self._rows]

    def _accepted(self, new: NewRequest) -> Request:
        key = new.idempotency_key
        if key is None:
            return new_as_stored(new)
        return self._known.get(key) or new_as_stored(self._first_with[key])

    def _others(self, owners: Mapping[str, tuple[Request, bytes]]) -> dict[int, AirlockError]:
        """Those with a key of `owners` that ask something else, by their positions."""
        refused: dict[int, AirlockError] = {}
        for position, (new, _) in enumerate(self._rows):
            owner = owners.get(new.idempotency_key or "")
            try:
                if owner is not None:
                    check_same_question(*owner, new)
            except IdempotencyConflictError as error:
                refused[position] = error
        return refused

    def _refuse(self, refused: Mapping[int, AirlockError]) -> None:
        if refused:
            raise batch_refusal(refused, len(self._rows))
