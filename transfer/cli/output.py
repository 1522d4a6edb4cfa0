"""What a command says and where: results on standard output, progress and refusals on standard error.

On a terminal there are colours and progress bars; anywhere else plain lines. With `--json` standard output holds
exactly one JSON document. Text from outside (file names, messages) never reaches a terminal with its control
characters.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
import traceback
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.text import Text

from transfer.cli.errors import FileUnusableError
from transfer.cli.exits import ExitCode, exit_code_of
from transfer.errors import NoSpaceError, TransferError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_CONTROL_NAMES = {code: f"\\x{code:02x}" for code in (*range(32), *range(0x7F, 0xA0))}
_CONTROL_NAMES |= {code: f"\\u{code:04x}" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x2028, 0x2029)}


def printable(text: object) -> str:
    """`text` on one line, without anything that a terminal would act on or cannot show."""
    return str(text).translate(_CONTROL_NAMES).encode("utf-8", "backslashreplace").decode()


def size_text(count: int) -> str:
    """A number of bytes for people: `931 B`, `12.4 KiB`, `64.0 MiB`."""
    if count < 1024:
        return f"{count} B"
    size = float(count)
    for unit in ("KiB", "MiB", "GiB"):
        size /= 1024
        if size < 1024 or unit == "GiB":
            return f"{size:.1f} {unit}"
    raise AssertionError


def count_text(count: int, noun: str) -> str:
    """`1 bundle`, `3 bundles`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def summary_text(counts: Iterable[tuple[int, str]]) -> str:
    """`3 bundles taken (1.0 KiB), 1 refused.` from counts and what they count; empty if all are 0."""
    told = [(count, what) for count, what in counts if count]
    first = [f"{count_text(count, 'bundle')} {what}" for count, what in told[:1]]
    return ", ".join([*first, *(f"{count} {what}" for count, what in told[1:])]) + "." if told else ""


class Output:
    """One command's voice. It remembers the first failure, which decides the exit code."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._out = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
        self._err = Console(highlight=False, soft_wrap=True, markup=False, emoji=False, stderr=True)
        self._first_failure: ExitCode | None = None

    def line(self, text: str = "", style: str | None = None) -> None:
        """A line for people; nothing with `--json`."""
        if not self.as_json:
            self._out.print(Text(text, style=style or ""))

    def warning(self, text: str) -> None:
        """A line on standard error that is no failure; nothing with `--json`, whose document says it too."""
        if not self.as_json:
            self._err.print(Text(text, style="yellow"))

    def clear(self) -> None:
        """An empty screen on a terminal, an empty line elsewhere; nothing with `--json`."""
        if not self.as_json:
            self._out.clear() if self._out.is_terminal else self._out.print()

    def document(self, content: dict[str, Any] | list[Any]) -> None:
        """The one JSON document; nothing without `--json`."""
        if self.as_json:
            sys.stdout.write(json.dumps(content, indent=2) + "\n")

    def failure(self, error: TransferError, subject: object = None, next_step: str | None = None) -> dict[str, str]:
        """Says on standard error what is wrong and what to do next; returns the same for the JSON document.

        `next_step` replaces the error's own where the command knows better.
        """
        next_step = next_step or error.next_step
        where = f"{printable(subject)}: " if subject is not None else ""
        self._err.print(Text.assemble(("error", "bold red"), f": {where}{printable(error.message)} [{error.defect}]"))
        self._err.print(Text.assemble(("next", "bold"), f":  {printable(next_step)}"))
        self._first_failure = self._first_failure or exit_code_of(error)
        return {"defect": error.defect, "cause": error.message, "next_step": next_step}

    def finish(self) -> None:
        """Ends the command with the exit code of the first failure, if there was one."""
        if self._first_failure is not None:
            raise typer.Exit(self._first_failure)

    @contextlib.contextmanager
    def refusals(self, subject: object = None) -> Iterator[None]:
        """Turns whatever ends a command early into words and an exit code; `subject` is what it is about."""
        try:
            yield
        except TransferError as error:
            self.document({"error": self.failure(error, subject)})
            raise typer.Exit(self._first_failure or ExitCode.FAULT) from error
        except BrokenPipeError:
            # The reader of a pipe has had enough; Python would complain once more while it closes standard output.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(ExitCode.DONE) from None
        except KeyboardInterrupt:
            self.warning("stopped: no half file stays behind; run the same command again to go on")
            raise typer.Exit(ExitCode.INTERRUPTED) from None
        except OSError as error:
            self.document({"error": self.failure(_refusal_of(error))})
            raise typer.Exit(self._first_failure or ExitCode.FAULT) from error
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            traceback.print_exc()
            self._err.print(Text("error: a fault in transfer itself; please send these lines to its developers"))
            raise typer.Exit(ExitCode.FAULT) from error
        self.finish()

    @contextlib.contextmanager
    def progress(self, label: str) -> Iterator[Callable[[int, int], None]]:
        """A bar on a terminal, nothing elsewhere; the function that it gives is told: done, of how many bytes."""
        if self.as_json or not self._err.is_terminal:
            yield lambda _done, _total: None
            return
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(binary_units=True))
        with Progress(
            *columns, TransferSpeedColumn(), TimeRemainingColumn(), console=self._err, transient=True
        ) as bars:
            bar = bars.add_task(label, total=None)
            yield lambda done, total: bars.update(bar, completed=done, total=total)


def _refusal_of(error: OSError) -> TransferError:
    """What the system says, as one of our errors. Standard output has no name."""
    message = f"{error.filename or 'the output'}: {error.strerror or error}."
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return NoSpaceError(message)
    return FileUnusableError(message)
