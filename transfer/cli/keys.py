"""`transfer keygen`: the keys of both networks in one step, and which file goes where."""

from pathlib import Path
from typing import Annotated

import typer

from transfer.bundle.keyring import GeneratedKeys, SigningKey, generate_keys
from transfer.cli.options import AsJson
from transfer.cli.output import Output

Placement = tuple[str, str, str, bool]
"""File, network, setting that names it there, and whether it is secret."""


def placements(keys: GeneratedKeys) -> list[Placement]:
    """Which file goes to which network, under which setting."""
    return [
        (str(keys.keyring), "both", "ENCRYPTION_KEYRING_FILE", True),
        (str(keys.request_signing_key), "request", "SIGNING_KEY_FILE", True),
        (str(keys.response_public_key), "request", "PEER_SIGNING_KEYS_FILE", False),
        (str(keys.response_signing_key), "response", "SIGNING_KEY_FILE", True),
        (str(keys.request_public_key), "response", "PEER_SIGNING_KEYS_FILE", False),
    ]


def keygen(
    directory: Annotated[
        Path, typer.Argument(metavar="DIRECTORY", help="Where to put the keys; made if it is not there.")
    ],
    as_json: AsJson = False,
) -> None:
    """Make the keyring and both networks' signing keys, and say which file goes where. Nothing is overwritten."""
    output = Output(as_json=as_json)
    with output.refusals():
        keys = generate_keys(directory)
        rows = placements(keys)
        key_ids = {
            "request": SigningKey.load(keys.request_signing_key).key_id.hex(),
            "response": SigningKey.load(keys.response_signing_key).key_id.hex(),
        }
        output.document(
            {
                "files": [
                    {"path": path, "network": network, "setting": setting, "secret": secret}
                    for path, network, setting, secret in rows
                ],
                "signing_key_ids": key_ids,
            }
        )
        output.line(f"Made the keys of both networks in {directory}.")
        for network in ("request", "response"):
            output.line()
            output.line(f"{network.capitalize()} Network  (signs as {key_ids[network][:16]})", style="bold")
            for path, place, setting, secret in rows:
                if place in {network, "both"}:
                    output.line(f"  {setting}={path}" + ("  (secret)" if secret else ""))
        output.line()
        output.line("Carry each network's files to it by hand, readable by its service only. Then delete the others")
        output.line("from there: a signing key is never on both networks. Keep a copy of all of them locked away.")
