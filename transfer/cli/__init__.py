"""The command `transfer`: keys, carrying, looking into bundles, bundles over the wire. It needs no database."""

from __future__ import annotations


def main() -> None:
    """The entry point; ends the process with one of `transfer.cli.exits.ExitCode`."""
    from transfer.cli.program import app

    app(prog_name="transfer")
