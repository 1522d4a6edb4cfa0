"""The options that several commands share, under the services' environment names, and how keys are found."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from transfer.bundle.keyring import Keyring, SigningKey, TrustedKeys
from transfer.bundle.names import network_from_name
from transfer.cli.errors import FileUnusableError, SettingMissingError, UsageRefusedError
from transfer.custody.numbers import parse_numbers
from transfer.spool.places import require_inbox, require_outbox

if TYPE_CHECKING:
    from airlock.common.v1.network_pb2 import Network

KEYS_PANEL = "Keys"
MAX_REASON = 500

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
KeyringFile = Annotated[
    Path | None,
    typer.Option(
        "--keyring",
        envvar="ENCRYPTION_KEYRING_FILE",
        help="The keyring of both networks. Without it the environment's ENCRYPTION_KEY, in base64, is version v1.",
        rich_help_panel=KEYS_PANEL,
        show_default=False,
    ),
]
PeerKeysFile = Annotated[
    Path | None,
    typer.Option(
        "--peer-keys",
        envvar="PEER_SIGNING_KEYS_FILE",
        help="Public keys, in PEM, of those whose signature counts.",
        rich_help_panel=KEYS_PANEL,
        show_default=False,
    ),
]
SigningKeyFile = Annotated[
    Path | None,
    typer.Option(
        "--signing-key",
        envvar="SIGNING_KEY_FILE",
        help="The private key of the network that seals.",
        rich_help_panel=KEYS_PANEL,
        show_default=False,
    ),
]
ExportDir = Annotated[
    Path | None,
    typer.Option(envvar="EXPORT_DIR", help="The folder in which the service puts its bundles.", show_default=False),
]
ImportDir = Annotated[
    Path | None,
    typer.Option(envvar="IMPORT_DIR", help="The folder in which the service looks for bundles.", show_default=False),
]
ImportingNetwork = Annotated[
    str | None,
    typer.Option(
        "--to",
        envvar="AIRLOCK_NETWORK",
        help="The network that imports here: request or response. Needed if the medium holds bundles for both.",
        show_default=False,
    ),
]
ExpectedNetwork = Annotated[
    str | None,
    typer.Option("--to", help="Refuse bundles that are not for this network: request or response.", show_default=False),
]


def keyring_or_none(path: Path | None) -> Keyring | None:
    """The keyring of the option or the environment; None if neither is given."""
    if path is not None:
        return Keyring.from_file(path)
    key = os.environ.get("ENCRYPTION_KEY", "")
    return Keyring.from_key(key) if key else None


def keyring_of(path: Path | None) -> Keyring:
    """The keyring; SettingMissingError if none is given."""
    keyring = keyring_or_none(path)
    if keyring is None:
        msg = "No encryption key is given."
        raise SettingMissingError(msg, next_step="Set --keyring FILE, ENCRYPTION_KEYRING_FILE or ENCRYPTION_KEY.")
    return keyring


def trusted_keys_of(path: Path | None) -> TrustedKeys:
    """The public keys whose signatures count; SettingMissingError if no file is given."""
    if path is None:
        msg = "No public key is given, so no signature can be checked."
        raise SettingMissingError(msg, next_step="Set --peer-keys FILE or PEER_SIGNING_KEYS_FILE.")
    return TrustedKeys.load(path)


def signing_key_of(path: Path | None) -> SigningKey:
    """The private key that seals; SettingMissingError if no file is given."""
    if path is None:
        msg = "No signing key is given, and a bundle without a signature is never accepted."
        raise SettingMissingError(msg, next_step="Set --signing-key FILE or SIGNING_KEY_FILE.")
    return SigningKey.load(path)


def network_or_none(name: str | None) -> Network.ValueType | None:
    """The network of that name; UsageRefusedError if there is none of that name."""
    if not name:
        return None
    try:
        return network_from_name(name)
    except ValueError as error:
        msg = f"{error}."
        raise UsageRefusedError(msg) from None


def readable(path: Path) -> Path:
    """The path of a file that may be read; FileUnusableError if it is not one. Links are the caller's own choice."""
    if not path.is_file() or not os.access(path, os.R_OK):
        msg = "There is no such file." if not path.exists() else "It is not a file that can be read."
        raise FileUnusableError(msg)
    return path.resolve()


def outbox_of(export_dir: Path | None) -> Path:
    """This network's outbox. SettingMissingError if none is named, SpoolError for what is none."""
    outbox = _folder_of(export_dir, "--export-dir", "EXPORT_DIR")
    require_outbox(outbox)
    return outbox


def inbox_of(import_dir: Path | None) -> Path:
    """This network's inbox. SettingMissingError if none is named, SpoolError for what is none."""
    inbox = _folder_of(import_dir, "--import-dir", "IMPORT_DIR")
    require_inbox(inbox)
    return inbox


def numbers_of(text: str) -> list[int]:
    """Numbers of bundles, given as `118-121,130`. Raises UsageRefusedError."""
    try:
        return parse_numbers(text)
    except ValueError as error:
        msg = f"{error}."
        raise UsageRefusedError(msg, next_step="Name them as 118 or 118-121,130.") from None


def reason_of(text: str) -> str:
    """Why an operator decides something. UsageRefusedError unless it has 1 to 500 characters."""
    if not text.strip() or len(text) > MAX_REASON:
        msg = f"A reason has 1 to {MAX_REASON} characters."
        raise UsageRefusedError(msg, next_step="Say why with --reason TEXT; it is kept in the audit trail.")
    return text


def _folder_of(path: Path | None, option: str, variable: str) -> Path:
    if path is None:
        msg = f"No folder is given: neither {option} nor {variable} is set."
        raise SettingMissingError(msg, next_step=f"Set {option} DIRECTORY, or {variable} as for the service.")
    return path
