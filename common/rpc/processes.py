"""Keeps N serving processes alive: each runs the same command again; the dead are restarted, and SIGTERM drains."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import Sequence

log = structlog.get_logger("rpc.processes")

PROCESS_VARIABLE: Final = "AIRLOCK_SERVE_PROCESS"
"""Tells a child which process it is, from 0. Set by the parent alone."""
_FIRST_DELAY: Final = 0.5
_LONGEST_DELAY: Final = 30.0
_STEADY_SECONDS: Final = 60.0
_KILL_AFTER_DRAIN: Final = 5.0


def own_process_number() -> int | None:
    """The number that the parent gave this process; None in the parent itself."""
    value = os.environ.get(PROCESS_VARIABLE)
    return int(value) if value is not None and value.isdecimal() else None


def stop_signals() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set, and in a child the end of its parent, however that came about."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    if own_process_number() is not None:
        _watch_parent(loop, stopping)
    return stopping


async def run_processes(count: int, *, drain_seconds: float, command: Sequence[str] | None = None) -> None:
    """Runs `count` copies of this program (or of `command`) until SIGTERM or SIGINT, and returns when all ended."""
    stopping = stop_signals()
    arguments = list(command) if command is not None else [sys.executable, *sys.orig_argv[1:]]
    log.info("processes_starting", count=count)
    await asyncio.gather(*(_keep_alive(number, arguments, stopping, drain_seconds) for number in range(count)))


async def _keep_alive(number: int, arguments: list[str], stopping: asyncio.Event, drain_seconds: float) -> None:
    loop = asyncio.get_running_loop()
    delay = _FIRST_DELAY
    while not stopping.is_set():
        started = loop.time()
        # The child reads its standard input for one thing only: its end means that the parent is gone.
        child = await asyncio.create_subprocess_exec(
            *arguments, stdin=asyncio.subprocess.PIPE, env={**os.environ, PROCESS_VARIABLE: str(number)}
        )
        ended = asyncio.create_task(child.wait())
        told = asyncio.create_task(stopping.wait())
        await asyncio.wait({ended, told}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        if stopping.is_set():
            await _end(child, ended, drain_seconds)
            return
        delay = _FIRST_DELAY if loop.time() - started >= _STEADY_SECONDS else delay
        log.error("process_died", process=number, code=child.returncode, restart_in_seconds=delay)
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), delay)
        delay = min(delay * 2, _LONGEST_DELAY)


async def _end(child: asyncio.subprocess.Process, ended: asyncio.Task[int], drain_seconds: float) -> None:
    with suppress(ProcessLookupError):
        child.terminate()
    try:
        await asyncio.wait_for(asyncio.shield(ended), drain_seconds + _KILL_AFTER_DRAIN)
    except TimeoutError:
        log.warning("process_killed", pid=child.pid)
        with suppress(ProcessLookupError):
            child.kill()
        await ended


def _watch_parent(loop: asyncio.AbstractEventLoop, stopping: asyncio.Event) -> None:
    def readable() -> None:
        if not os.read(sys.stdin.fileno(), 1024):
            loop.remove_reader(sys.stdin.fileno())
            stopping.set()

    # Without a pipe to watch (standard input closed, or a file), only the signals count.
    with suppress(OSError, ValueError):
        loop.add_reader(sys.stdin.fileno(), readable)
