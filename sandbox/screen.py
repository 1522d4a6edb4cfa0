"""What the sandbox tells: steps with colour and progress on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from sandbox.signals import raise_if_requested

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sandbox.crossing import Leg

PLAIN_WIDTH = 120


class Screen:
    """One place that prints."""

    def __init__(self) -> None:
        self.console = Console(highlight=False)
        if not self.console.is_terminal:
            self.console = Console(highlight=False, width=PLAIN_WIDTH)
        self._started = time.monotonic()

    def heading(self, text: str) -> None:
        """A new part begins, unless somebody asked to stop."""
        raise_if_requested()
        self.console.print(f"\n[bold cyan]{text}[/]")

    def line(self, text: str) -> None:
        """One thing that is done, with the seconds since the beginning, unless somebody asked to stop."""
        raise_if_requested()
        seconds = f"[dim]{time.monotonic() - self._started:5.1f} s[/]"
        self.console.print(f"  {seconds}  {escape(text)}", soft_wrap=True)

    def problem(self, text: str) -> None:
        """Something went wrong."""
        self.console.print(text, style="bold red", markup=False)

    def plain(self, text: str) -> None:
        """Text to be pasted: as it is, never wrapped."""
        self.console.print(text, markup=False, soft_wrap=True)

    def conclusion(self, text: str, *, good: bool) -> None:
        """The last line, as it is."""
        self.console.print()
        self.console.print(text, style="bold green" if good else "bold red", markup=False)

    @contextmanager
    def counting(self, text: str, total: int) -> Iterator[Callable[[], None]]:
        """A bar while something is counted; call what is yielded once for each."""
        if not self.console.is_terminal:
            yield lambda: None
            return
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, TimeElapsedColumn(), console=self.console, transient=True) as progress:
            task = progress.add_task(f"  {text}", total=total)
            yield lambda: progress.advance(task)

    def table(self, title: str) -> Table:
        """An empty table; without a terminal it has no frame that a log could not show."""
        frame = box.ROUNDED if self.console.is_terminal else box.ASCII
        return Table(title=title, title_style="bold", title_justify="left", box=frame)

    def legs(self, legs: Sequence[Leg]) -> None:
        """The table of crossings."""
        table = self.table("What crossed the gap")
        table.add_column("leg")
        for name in ("export s", "carry s", "import s", "bundles", "records", "bytes"):
            table.add_column(name, justify="right")
        for leg in legs:
            seconds = [f"{value:.2f}" for value in (leg.export_seconds, leg.carry_seconds, leg.import_seconds)]
            table.add_row(leg.name, *seconds, str(leg.bundles), str(leg.records), f"{leg.size_bytes:,}")
        self.console.print()
        self.console.print(table)
