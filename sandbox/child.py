"""One program that the sandbox started: its log file, its end, and what it leaves behind. Knows no program by name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from sandbox.errors import ProcessError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LAUNCHER = Path(__file__).with_name("launch.py")
LOG_TAIL_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class SystemUser:
    """Whom a program runs as, when that is not the caller."""

    user_id: int
    group_id: int


@dataclass(kw_only=True)
class Child:
    """A program in a session of its own, so that a Ctrl-C on the terminal reaches the sandbox alone.

    It dies with the thread that called `start` (Linux), by `death_signal`. `stop_signal` asks it to end.
    """

    name: str
    command: Sequence[str]
    log_path: Path
    environment: Mapping[str, str] | None = None
    folder: Path | None = None
    user: SystemUser | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGTERM
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)

    @property
    def pid(self) -> int:
        """The process id; 0 before the first start."""
        return self._process.pid if self._process is not None else 0

    def start(self) -> None:
        """Starts the program; its output is added to the log file."""
        who = (str(self.user.user_id), str(self.user.group_id)) if self.user else ("-", "-")
        launch = [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), str(int(self.death_signal)), *who]
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [*launch, *self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=dict(self.environment) if self.environment is not None else None,
                start_new_session=True,
            )

    def exit_code(self) -> int | None:
        """How the program ended; None while it runs."""
        return self._process.poll() if self._process is not None else 0

    def descendants(self) -> list[psutil.Process]:
        """The processes that the program has started itself."""
        return psutil.Process(self.pid).children(recursive=True) if self.exit_code() is None else []

    def check_running(self) -> None:
        """Raises ProcessError, with the end of the log, if the program is not running."""
        code = self.exit_code()
        if code is not None:
            raise ProcessError(
                f"{self.name} ended with exit code {code}; the end of {self.log_path}:\n{self.log_tail()}"
            )

    def wait(self, limit_seconds: float) -> int:
        """Waits for the end; raises ProcessError beyond the limit."""
        assert self._process is not None
        try:
            return self._process.wait(limit_seconds)
        except subprocess.TimeoutExpired:
            raise ProcessError(f"{self.name} still runs after {limit_seconds:.0f} s; see {self.log_path}") from None

    def ask_to_stop(self) -> None:
        """Sends the stop signal, without waiting."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(self.stop_signal)

    def stop(self, limit_seconds: float = 10) -> None:
        """Asks the program to end, waits, and kills it and whatever it left in its session. Does nothing twice."""
        if self._process is None:
            return
        self.ask_to_stop()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(limit_seconds)
        self.kill()

    def kill(self) -> None:
        """Ends the program and its descendants in the same session at once."""
        if self._process is None:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def log_tail(self) -> str:
        """The last lines of the log."""
        with suppress(OSError), self.log_path.open("rb") as log:
            log.seek(max(0, self.log_path.stat().st_size - LOG_TAIL_BYTES))
            return log.read().decode(errors="replace")
        return ""
