"""What an answer says beside its message: sent before the first one or with a refusal, so that REST callers see it.

Envoy turns only what comes before the message, or with an error, into headers of a REST answer.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    import grpc


class _Answer:
    """The running call's headers, shared by everything that runs for it."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.begun = False


_answer: ContextVar[_Answer | None] = ContextVar("airlock_answer", default=None)


def start_collecting() -> None:
    """Begins with no header; for the interceptor that begins a call."""
    _answer.set(_Answer())


def set_answer_headers(pairs: Iterable[tuple[str, str]]) -> None:
    """Adds headers to the running call's answer; one of the same name is replaced. Names are in lower case."""
    answer = _answer.get()
    if answer is not None:
        answer.headers.update(pairs)


def unsent_headers() -> tuple[tuple[str, str], ...]:
    """The headers that have not gone out, for an answer that is a refusal."""
    answer = _answer.get()
    return () if answer is None or answer.begun else tuple(answer.headers.items())


async def begin_answer(context: grpc.aio.ServicerContext[Any, Any]) -> None:
    """Sends the headers now, which settles that the HTTP status is 200; does nothing a second time."""
    answer = _answer.get()
    if answer is None:
        await context.send_initial_metadata(())
    elif not answer.begun:
        answer.begun = True
        await context.send_initial_metadata(tuple(answer.headers.items()))
