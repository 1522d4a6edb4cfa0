"""The named steps of exports, imports and executions, reported as they are passed, so that tests can break at each."""

from __future__ import annotations

import os
import signal
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Step(StrEnum):
    """A moment at which a process may die; each is reported when what it names has just been done."""

    # Export: rows are claimed under a number, committed.
    FREEZE = "freeze"
    # Export: some records are written to the temporary file.
    SEAL = "seal"
    # Export: the temporary file is whole and durable.
    WRITE = "write"
    # Export: the file has its final name; the database does not know it yet.
    RENAME = "rename"
    # Export: the database counts the file as sealed.
    CONFIRM = "confirm"
    # Import: the file is copied into staging and its signature is good.
    STAGE = "stage"
    # Import: every record is applied, not committed.
    APPLY = "apply"
    # Import: committed; the file still lies in the inbox.
    COMMIT = "commit"
    # Import: the file lies in the archive.
    ARCHIVE = "archive"
    # Execution: a request is leased.
    EXECUTE_CLAIMED = "execute_claimed"
    # Execution: the engine has answered, nothing is stored.
    EXECUTE_ANSWERED = "execute_answered"
    # Execution: the answer is committed.
    EXECUTE_STORED = "execute_stored"


def no_steps(step: Step) -> None:
    """Lets every step pass."""


def kill_at(name: str) -> Callable[[Step], None]:
    """Kills this process with SIGKILL when it comes to the named step. For fault tests in the sandbox only.

    Raises ValueError, listing the names, if there is no such step.
    """
    try:
        fatal = Step(name)
    except ValueError:
        msg = f"AIRLOCK_KILL_AT: {name!r} is not a step; the steps are {', '.join(Step)}"
        raise ValueError(msg) from None

    def kill(step: Step) -> None:
        if step is fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    return kill
