"""The processes of one service: `serve`, `worker`, `scheduler` and the commands that run to their end."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.child import Child
from sandbox.errors import ProcessError
from sandbox.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping

PROGRAMS = Path(sys.executable).parent
LONG_RUNNING = ("serve", "worker", "scheduler")
COMMAND_SECONDS = 60
READY_SECONDS = 40
STOP_SECONDS = 15
# What a program needs from its surroundings; settings of a service never leak in from the caller's environment.
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TERM", "TZ", "NO_COLOR")
INHERITED_PREFIXES = ("COVERAGE_", "COV_CORE_")


class ServiceProcesses:
    """One service's processes with one environment, their logs in one folder."""

    def __init__(self, network: str, folder: Path, environment: Mapping[str, str]) -> None:
        """`environment` holds the service's settings alone."""
        self.network = network
        self.folder = folder
        self.environment = dict(environment)
        self._children: dict[str, Child] = {}

    def start(self, command: str, *, name: str = "", extra: Mapping[str, str] | None = None) -> Child:
        """Starts a long-running command without waiting for it; `extra` settings are for this process alone."""
        child = self._child(name or command, [command], extra or {})
        child.start()
        self._children[name or command] = child
        return child

    def wait_for_sockets(self, sockets: list[Path]) -> None:
        """Returns once every `serve` process listens; raises ProcessError with the end of the log otherwise."""

        def listening() -> bool:
            self._children["serve"].check_running()
            return all(socket.exists() for socket in sockets)

        wait_until(listening, what=f"the {self.network} service's sockets", limit_seconds=READY_SECONDS)

    def run(self, *arguments: str, extra: Mapping[str, str] | None = None) -> None:
        """Runs a command to its end; raises ProcessError with the end of its log unless it succeeds."""
        self.finish(self.begin(*arguments, extra=extra))

    def begin(self, *arguments: str, extra: Mapping[str, str] | None = None) -> Child:
        """Starts a command that ends by itself; hand it to `finish`."""
        child = self._child(arguments[0], list(arguments), extra or {})
        child.log_path.unlink(missing_ok=True)
        child.start()
        return child

    def finish(self, child: Child) -> None:
        """Waits for a command's end; raises ProcessError with the end of its log unless it succeeds."""
        try:
            code = child.wait(COMMAND_SECONDS)
        finally:
            child.kill()
        if code != 0:
            raise ProcessError(f"{child.name} ended with exit code {code}; see {child.log_path}:\n{child.log_tail()}")

    def child(self, name: str) -> Child:
        """A process that was started here."""
        return self._children[name]

    @property
    def children(self) -> Mapping[str, Child]:
        """Every process that was started here, by name."""
        return self._children

    def ask_to_stop(self) -> None:
        """Asks everything to end, the scheduler first and `serve` last, without waiting."""
        for child in reversed(self._children.values()):
            child.ask_to_stop()

    def stop(self) -> None:
        """Ends everything; asks all at once and waits for each."""
        self.ask_to_stop()
        for child in reversed(self._children.values()):
            child.stop(STOP_SECONDS)
        self._children.clear()

    def _child(self, name: str, arguments: list[str], extra: Mapping[str, str]) -> Child:
        return Child(
            name=f"{self.network} {name}",
            command=[str(PROGRAMS / f"airlock-{self.network}"), *arguments],
            log_path=self.folder / "logs" / f"{name}.log",
            folder=self.folder,
            environment=inherited_environment() | self.environment | dict(extra),
            death_signal=signal.SIGTERM,
        )


def inherited_environment() -> dict[str, str]:
    """The few variables that every program gets from ours."""
    kept = {
        name: value for name, value in os.environ.items() if name in INHERITED or name.startswith(INHERITED_PREFIXES)
    }
    kept["PATH"] = f"{PROGRAMS}{os.pathsep}{kept.get('PATH', os.defpath)}"
    return kept


def run_program(name: str, *arguments: str, folder: Path, log_path: Path) -> str:
    """Runs one of the project's programs to its end and returns what it printed; raises ProcessError if it fails."""
    log_path.unlink(missing_ok=True)
    child = Child(
        name=name,
        command=[str(PROGRAMS / name), *arguments],
        log_path=log_path,
        folder=folder,
        environment=inherited_environment(),
    )
    child.start()
    try:
        code = child.wait(COMMAND_SECONDS)
    finally:
        child.kill()
    output = log_path.read_text(errors="replace")
    if code != 0:
        raise ProcessError(f"{name} {' '.join(arguments[:1])} ended with exit code {code}:\n{output[-4096:]}")
    return output
