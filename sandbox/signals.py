"""Ctrl-C and SIGTERM: turned into one error that unwinds everything, and kept away while things are being stopped."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from threading import Event
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequestedError(BaseException):
    """Somebody asked the sandbox to stop. Like KeyboardInterrupt, it is no one's to swallow."""


requested = Event()


def stop_on_signals() -> None:
    """From now on the first of these signals raises StopRequestedError, and later ones do nothing."""

    def stop(number: int, frame: FrameType | None) -> None:
        requested.set()
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        raise StopRequestedError

    for each in SIGNALS:
        signal.signal(each, stop)


def raise_if_requested() -> None:
    """Raises StopRequestedError where somebody asked before. Call it between steps.

    An error that is raised by a signal can get lost where C code or a destructor happens to run at that moment.
    """
    if requested.is_set():
        raise StopRequestedError


@contextmanager
def undisturbed() -> Iterator[None]:
    """Whatever is stopped in this block is stopped to the end."""
    before = [signal.signal(each, signal.SIG_IGN) for each in SIGNALS]
    try:
        yield
    finally:
        for each, handler in zip(SIGNALS, before, strict=True):
            signal.signal(each, handler)
