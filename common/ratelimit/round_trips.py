"""Sends the counting script to Redis: whatever is asked during one round trip goes together with the next one."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import NoScriptError

from common.cancellation import cancel_and_wait

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

_SCRIPT: Final = resources.files("common.ratelimit").joinpath("limit.lua").read_text()
_SHA: Final = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()
_MOST_TOGETHER: Final = 200


@dataclass(frozen=True, slots=True)
class _Question:
    key: str
    arguments: Sequence[int]
    reply: asyncio.Future[list[int]]


class RoundTrips:
    """At most one round trip at a time; under load a call so costs a third of what one of its own would."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: list[_Question] = []
        self._sender: asyncio.Task[None] | None = None

    async def ask(self, key: str, arguments: Sequence[int]) -> list[int]:
        """What the script answers. Raises RedisError or OSError, to all who wait, where Redis does not."""
        question = _Question(key, arguments, asyncio.get_running_loop().create_future())
        self._waiting.append(question)
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send_all(), name="rate-limit-round-trips")
        return await question.reply

    async def close(self) -> None:
        """Gives up what is under way, and closes the connection."""
        if self._sender is not None:
            await cancel_and_wait(self._sender)
        for question in self._waiting:
            question.reply.cancel()
        await self._redis.aclose()

    async def _send_all(self) -> None:
        group: list[_Question] = []
        try:
            while self._waiting:
                group, self._waiting = self._waiting[:_MOST_TOGETHER], self._waiting[_MOST_TOGETHER:]
                for question, reply in zip(group, await self._send(group), strict=True):
                    _settle(question, reply)
        except Exception as error:  # noqa: BLE001 - whatever it was, it is raised where it was asked.
            # Whoever came meanwhile would find out the same, and only later.
            for question in (*group, *self._waiting):
                _settle(question, error)
            self._waiting = []
        except asyncio.CancelledError:
            for question in group:
                question.reply.cancel()
            raise

    async def _send(self, group: Sequence[_Question]) -> list[Any]:
        replies = await self._evaluate(group)
        unknown = [place for place, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if unknown:
            # The first time after a start of Redis; from then on it knows the script.
            await self._redis.script_load(_SCRIPT)
            again = await self._evaluate([group[place] for place in unknown])
            for place, reply in zip(unknown, again, strict=True):
                replies[place] = reply
        return replies

    async def _evaluate(self, group: Sequence[_Question]) -> list[Any]:
        pipeline = self._redis.pipeline(transaction=False)
        for question in group:
            pipeline.evalsha(_SHA, 1, question.key, *map(str, question.arguments))
        return await pipeline.execute(raise_on_error=False)


def _settle(question: _Question, reply: Any) -> None:  # noqa: ANN401 - numbers, or what Redis said instead.
    # A caller who is gone has cancelled his future.
    if question.reply.done():
        return
    if isinstance(reply, Exception):
        question.reply.set_exception(reply)
    else:
        question.reply.set_result(reply)
