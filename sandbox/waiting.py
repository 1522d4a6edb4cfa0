"""Free ports, and waiting for a condition with a limit."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

from sandbox.errors import ProcessError

if TYPE_CHECKING:
    from collections.abc import Callable

LOOPBACK = "127.0.0.1"
FIRST_PAUSE_SECONDS = 0.01
LONGEST_PAUSE_SECONDS = 0.2
PORT_ATTEMPTS = 3


def free_port() -> int:
    """A TCP port on the loopback address that nothing listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def port_answers(port: int) -> bool:
    """Whether something accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((LOOPBACK, port)) == 0


def wait_until(condition: Callable[[], bool], *, what: str, limit_seconds: float) -> None:
    """Returns once `condition` holds; raises ProcessError naming `what` beyond the limit."""
    deadline = time.monotonic() + limit_seconds
    pause = FIRST_PAUSE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise ProcessError(f"waited {limit_seconds:.0f} s in vain for {what}")
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)


def start_on_free_port(start: Callable[[int], None]) -> int:
    """Calls `start` with a free port, with another if somebody took it, and returns the one that held."""
    for _ in range(PORT_ATTEMPTS - 1):
        port = free_port()
        try:
            start(port)
        except ProcessError:
            if not port_answers(port):
                raise
        else:
            return port
    port = free_port()
    start(port)
    return port
