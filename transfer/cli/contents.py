"""`transfer cat`: the records of a verified bundle as JSON lines."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from transfer.bundle.reader import open_payload, verify_file
from transfer.cli.lines import LineWriter
from transfer.cli.options import KeyringFile, PeerKeysFile, keyring_of, readable, trusted_keys_of
from transfer.cli.output import Output


def cat(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A bundle.")],
    keyring_file: KeyringFile = None,
    peer_keys_file: PeerKeysFile = None,
    everything: Annotated[
        bool,
        typer.Option("--all", help="Print the acknowledgements, which every bundle begins with, as the first line."),
    ] = False,
    secrets: Annotated[bool, typer.Option("--secrets", help="Print hashed passwords too.")] = False,
) -> None:
    """Print a bundle's records as JSON lines. Hash and signature are verified before anything is printed."""
    output = Output(as_json=False)
    with output.refusals(file):
        trusted, keyring = trusted_keys_of(peer_keys_file), keyring_of(keyring_file)
        verified = verify_file(readable(file), trusted, expected_source=None, expected_destination=None)
        with open_payload(verified, keyring) as payload:
            writer = LineWriter(sys.stdout.buffer, secrets=secrets)
            if everything:
                writer.acknowledgements(payload.acknowledgements)
            for frame in payload:
                for record in frame.records.records:
                    writer.record(record)
                if frame.HasField("chunk"):
                    writer.chunk(frame.chunk)
            writer.finish()
            sys.stdout.buffer.flush()
