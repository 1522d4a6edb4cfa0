"""Those who submit many questions at once in a rehearsal: with keys, twice, halfway, after a look, all the same."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from common.errors import AirlockError, IdempotencyConflictError
from common.policy.limits import BASIC
from request_svc.adapters.request_store import SqlRequestStore
from request_svc.domain.batch import Batch
from request_svc.domain.question import Question
from request_svc.usecases.read_question import Asking
from request_svc.usecases.submit_requests import submit_requests
from request_svc.usecases.validate_request import validate_request
from sandbox.rehearsal.people import CALLER, Asked, drawn_body, principal_of
from sandbox.rehearsal.rules import policy_is_heard

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from request_svc.domain.request import Request
    from sandbox.rehearsal.invariants import Window
    from sandbox.rehearsal.people import People
    from sandbox.rehearsal.side import Side

LONGEST_PATIENCE = 0.03
STORED = "SELECT id FROM requests WHERE id = ANY(:ids)"


@dataclass(frozen=True, slots=True)
class Sent:
    """A call with several questions, of which each is new; `ids` are those that it may have made."""

    user: Any
    questions: tuple[Question, ...]
    ids: tuple[UUID, ...]


@dataclass(slots=True)
class Crowd:
    """Asks together. `wrong` holds what came otherwise than promised, `deeds` counts what was done."""

    people: People
    windows: Sequence[Window]
    batches: list[tuple[UUID, ...]] = field(default_factory=list)
    earlier: list[tuple[Sent, tuple[UUID, ...]]] = field(default_factory=list)
    deeds: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    async def act(self, request: Side, choose: random.Random) -> None:
        """One call, or the same one twice, or one from before once more."""
        what, which = choose.random(), choose.random()
        users = await request.rows(
            "SELECT id, username, role, priority, profile_type FROM users WHERE is_active ORDER BY username"
        )
        user = users[int(which * len(users))] if users else None
        sent = self._drawn(user, choose, request)
        await policy_is_heard(request)
        if user is None:
            return
        if what < 0.2 and self.earlier:
            await self._again(request, *self.earlier[int(which * len(self.earlier))])
        elif what < 0.35 and self.earlier:
            await self._mixed_up(request, sent, self.earlier[int(which * len(self.earlier))][0])
        elif what < 0.55:
            await self._leaves(request, sent, which * LONGEST_PATIENCE)
        elif what < 0.7:
            await self._twice(request, sent)
        else:
            await self._looks_and_asks(request, sent)

    def _drawn(self, user: Any, choose: random.Random, request: Side) -> Sent:  # noqa: ANN401 - a row.
        number = choose.choice((1, 2, 3, 8))
        same = choose.random() < 0.4
        bodies = [drawn_body(choose)] * number if same else [drawn_body(choose) for _ in range(number)]
        hours = choose.choice((None, None, None, 2, 8, 30))
        questions = tuple(
            Question(
                index="personnel" if choose.random() < 0.03 else "cities",
                body=body,
                idempotency_key=f"key {choose.getrandbits(64)}",
                not_after=request.clock() + timedelta(hours=hours) if hours else None,
                accept_partial=choose.random() < 0.3,
            )
            for body in bodies
        )
        return Sent(user, questions, tuple(UUID(int=choose.getrandbits(128), version=4) for _ in questions))

    async def _looks_and_asks(self, request: Side, sent: Sent) -> None:
        """What a look lets pass is accepted, and what it refuses is refused."""
        fine = True
        for question in sent.questions:
            try:
                await validate_request(
                    question, _asking(request, sent), database=request.app.database, requests=SqlRequestStore()
                )
            except AirlockError:
                fine = False
        if await self._submit(request, sent) != fine:
            self.wrong.append(f"a look said {fine} of questions, and submitting them did otherwise")
        self._count("asked several after a look")

    async def _twice(self, request: Side, sent: Sent) -> None:
        """Two programs send the same at once."""
        other = replace(sent, ids=tuple(UUID(int=one.int ^ 1) for one in sent.ids))
        calls = (_call(request, sent, sent.ids), _call(request, other, other.ids))
        answers = await asyncio.gather(*calls, return_exceptions=True)
        kept = [answer for answer in answers if not isinstance(answer, BaseException)]
        if len(kept) == 1 or any(_ids(answer) != _ids(kept[0]) for answer in kept):
            self.wrong.append(f"the same questions were answered with {answers}")
        for answer in kept[:1]:
            await self._accepted(request, sent, answer)
        self._count("asked several twice at once")

    async def _leaves(self, request: Side, sent: Sent, after: float) -> None:
        """The caller is gone before he is answered: nobody told him, so he asks again."""
        call = asyncio.ensure_future(_call(request, sent, sent.ids))
        await asyncio.wait({call}, timeout=after)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        await request.app.writer.close()
        there = {row.id for row in await request.rows(STORED, ids=list(sent.ids))}
        if len(there) not in {0, len(sent.ids)}:
            self.wrong.append(f"of {len(sent.ids)} questions of a caller who left, {len(there)} were stored")
        self._count("left while asking")
        again = tuple(UUID(int=one.int ^ 1) for one in sent.ids)
        with suppress(AirlockError):
            answer = await _call(request, sent, again)
            if there and {one.request_id for one in answer} != there:
                self.wrong.append("questions that were stored were stored again under their keys")
            await self._accepted(request, sent, answer)
        # He may not be let ask any more; then what was stored is nevertheless his.
        await self._accepted(request, sent, [one for one in sent.ids if one in there])

    async def _again(self, request: Side, sent: Sent, ids: tuple[UUID, ...]) -> None:
        """The same requests, unless the database has forgotten them."""
        at = self.people.asked[ids[0]].asked_at
        sent = replace(sent, questions=tuple(replace(one, not_after=None) for one in sent.questions))
        again = tuple(UUID(int=one.int ^ 2) for one in sent.ids)
        with suppress(AirlockError):
            answer = await _call(request, sent, again)
            forgotten = any(window.side == "request" and window.holds(at) for window in self.windows)
            if _ids(answer) != list(ids) and not forgotten:
                self.wrong.append(f"the keys of {ids} gave {_ids(answer)}")
            await self._accepted(request, sent, answer)
            self._count("asked several again")

    async def _mixed_up(self, request: Side, sent: Sent, before: Sent) -> None:
        """One key among new ones belongs to another question, so that nothing of it is stored."""
        key = before.questions[0].idempotency_key
        odd = replace(before.questions[0], body=b'{"query":{"match_all":{}},"size":7}', not_after=None)
        mixed = Sent(before.user, (*sent.questions, odd), (*sent.ids, UUID(int=sent.ids[0].int ^ 4)))
        known = await request.rows(
            "SELECT body FROM requests WHERE user_id = :user AND idempotency_key = :key", user=before.user.id, key=key
        )
        # Where the database was set back, this very question may have the key since.
        taken = any(bytes(row.body) != odd.body for row in known)
        try:
            answer = await _call(request, mixed, mixed.ids)
        except IdempotencyConflictError:
            self._count("mixed keys up")
        except AirlockError:
            pass
        else:
            await self._accepted(request, mixed, answer)
            if taken:
                self.wrong.append(f"the key {key} was accepted for another question")
            return
        if await request.rows(STORED, ids=list(mixed.ids)):
            self.wrong.append("a part of a refused batch was stored")

    async def _submit(self, request: Side, sent: Sent) -> bool:
        try:
            answer = await _call(request, sent, sent.ids)
        except AirlockError:
            if await request.rows(STORED, ids=list(sent.ids)):
                self.wrong.append("a part of a refused batch was stored")
            return False
        await self._accepted(request, sent, answer)
        return True

    async def _accepted(self, request: Side, sent: Sent, answer: Sequence[Request | UUID]) -> None:
        """Into the ledger of what was asked, what was not there yet."""
        ids = tuple(one if isinstance(one, UUID) else one.request_id for one in answer)
        if not ids:
            return
        rows = {
            row.id: row.not_after
            for row in await request.rows("SELECT id, not_after FROM requests WHERE id = ANY(:ids)", ids=list(ids))
        }
        new = tuple(one for one in ids if one not in self.people.asked)
        for request_id, question in zip(ids, sent.questions, strict=False):
            assert question.body is not None
            if request_id in new:
                self.people.asked[request_id] = Asked(
                    request_id,
                    sent.user.id,
                    question.index,
                    question.body,
                    request.clock(),
                    rows.get(request_id),
                    question.accept_partial,
                )
        if new:
            self.batches.append(new)
            self.earlier.append((sent, ids))

    def _count(self, deed: str) -> None:
        self.deeds[deed] = self.deeds.get(deed, 0) + 1


def _asking(request: Side, sent: Sent) -> Asking:
    return Asking(principal_of(sent.user), BASIC.priority, request.app.auth.policy.current, request.clock())


async def _call(request: Side, sent: Sent, ids: Sequence[UUID]) -> list[Request]:
    unused = iter(ids)
    return await submit_requests(
        Batch(questions=[partial(_same, question) for question in sent.questions]),
        _asking(request, sent),
        new_id=lambda: next(unused),
        origin=CALLER,
        writer=request.app.writer,
        requests=SqlRequestStore(),
    )


def _same(question: Question) -> Question:
    return question


def _ids(answer: Sequence[Request]) -> list[UUID]:
    return [one.request_id for one in answer]


async def batch_violations(request: Side, crowd: Crowd) -> list[str]:
    """What came otherwise than promised, and batches of which a part is there."""
    violations = list(crowd.wrong)
    for ids in crowd.batches:
        there = len(await request.rows(STORED, ids=list(ids)))
        if there not in {0, len(ids)}:
            violations.append(f"of the batch {ids[0]}… {there} of {len(ids)} requests are there")
    return violations
