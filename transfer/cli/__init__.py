"""The command `transfer`: keys, carrying, looking into bundles, bundles over the wire. It needs no database."""

from __future__ import annotations

import os


def main() -> None:
    """The entry point; ends the process with one of `transfer.cli.exits.ExitCode`."""
    # The C library of gRPC would write its own lines between ours.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from transfer.cli.program import app

    app(prog_name="transfer")
