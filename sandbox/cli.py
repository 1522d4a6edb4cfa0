"""`airlock-sandbox`: both networks on this machine, for a demo or to try things out."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sandbox import background
from sandbox.dataset import ElasticsearchServer
from sandbox.demo import run_demo
from sandbox.errors import SandboxError
from sandbox.guide import show_guide, show_processes
from sandbox.screen import Screen
from sandbox.signals import StopRequestedError, stop_on_signals, undisturbed

if TYPE_CHECKING:
    from sandbox.rehearsal.run import Outcome

INTERRUPTED = 130
app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)

Folder = Annotated[Path, typer.Option(help="Where everything of this sandbox lies.")]
HERE = Path(".airlock")


@app.command()
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave the folder with logs and bundles behind.")] = False,
) -> None:
    """200 questions across the gap and back, each answer checked against the engine; everything is stopped again."""
    screen = Screen()
    stop_on_signals()
    folder = Path(tempfile.mkdtemp(prefix="airlock-demo-"))
    # PostgreSQL may run as another user, who has to pass here.
    folder.chmod(0o711)
    good = False
    try:
        good = run_demo(folder, ElasticsearchServer.from_environment(), screen)
    except StopRequestedError:
        screen.problem("stopped; nothing is left running")
        raise typer.Exit(INTERRUPTED) from None
    except SandboxError as error:
        screen.problem(f"the demo failed: {error}")
        keep = True
    finally:
        if keep:
            screen.plain(f"logs and bundles are in {folder}")
        else:
            with undisturbed():
                shutil.rmtree(folder, ignore_errors=True)
    raise typer.Exit(0 if good else 1)


@app.command()
def up(folder: Folder = HERE) -> None:
    """Start both networks in the background; prints addresses, sign-in and commands to try."""
    screen = Screen()
    stop_on_signals()
    screen.heading("Starting both networks …")
    try:
        state = background.start(background.Place(folder))
    except StopRequestedError:
        raise typer.Exit(INTERRUPTED) from None
    show_guide(screen, state)


@app.command()
def down(folder: Folder = HERE) -> None:
    """Stop what `up` started; data and keys stay for the next `up`."""
    stopped = background.stop(background.Place(folder))
    Screen().plain("Both networks are stopped." if stopped else "Nothing runs here.")


@app.command()
def status(folder: Folder = HERE) -> None:
    """Show what `up` started."""
    state = background.Place(folder).state()
    if state is None:
        Screen().plain("Nothing runs here; `make up` starts both networks.")
        raise typer.Exit(1)
    show_processes(Screen(), state)


@app.command()
def carry(folder: Folder = HERE) -> None:
    """Play the courier once: everything that waits in either network to the other."""
    state = background.Place(folder).state()
    if state is None:
        raise SandboxError("nothing runs here; `make up` starts both networks")
    background.carry_both_ways(state, Screen().line)


@app.command()
def rehearse(
    seed: Annotated[int | None, typer.Option(help="The one history to play.", min=0)] = None,
    seeds: Annotated[str, typer.Option(help="Several, as 1-200.")] = "1-20",
    days: Annotated[int, typer.Option(help="How long the trouble lasts.", min=1, max=365)] = 12,
    processes: Annotated[int, typer.Option(help="How many play at once.", min=1, max=32)] = 2,
) -> None:
    """Both networks with a moved clock, and a courier who does everything wrong; what must hold is checked at the end.

    Media are lost, doubled, late, damaged and full; processes die at every step; databases are set back to a backup.
    The same seed draws the same history; ids and fractions of a second differ.
    """
    from sandbox.rehearsal.run import rehearse_all
    from sandbox.rehearsal.telling import seed_lines, steps_that_killed_nobody, summary_lines
    from transfer.custody.numbers import parse_numbers

    screen = Screen()
    try:
        numbers = [seed] if seed is not None else parse_numbers(seeds)
    except ValueError as error:
        raise SandboxError(f"--seeds: {error}") from None

    def tell(outcome: Outcome) -> None:
        for line in seed_lines(outcome):
            screen.plain(line)

    outcomes = rehearse_all(numbers, days, processes, tell)
    for line in summary_lines(outcomes, len(numbers)):
        screen.plain(line)
    good = sum(outcome.good for outcome in outcomes) == len(numbers)
    raise typer.Exit(0 if good and not steps_that_killed_nobody(outcomes) else 1)


@app.command(hidden=True)
def supervise(folder: Folder = HERE) -> None:
    """Hold both networks in the foreground; what `up` runs in the background."""
    stop_on_signals()
    background.supervise(background.Place(folder))


def main() -> None:
    """The entry point; a refusal is one line, not a traceback."""
    try:
        app()
    except SandboxError as error:
        Screen().problem(str(error))
        sys.exit(1)
    except OSError as error:
        Screen().problem(f"{error.filename or 'the system'}: {error.strerror or error}; choose a folder to write to")
        sys.exit(1)


if __name__ == "__main__":
    main()
