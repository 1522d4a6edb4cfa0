"""`transfer keygen` and `transfer keys`: the keys of both networks, and changing them step by step."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from airlock.ops.v1.keys_pb2 import ListKeysRequest, ListKeysResponse, RevokeSigningKeyRequest
from airlock.ops.v1.ops_service_pb2_grpc import OpsServiceStub
from google.protobuf.json_format import MessageToDict

from transfer.bundle.keyring import GeneratedKeys, Keyring, KeyState, SigningKey, generate_keys
from transfer.bundle.rotation import (
    activated,
    make_next_signing_key,
    next_of,
    promote_next_signing_key,
    with_new_version,
    without,
    write_keyring,
)
from transfer.cli.access import CaFile, OptionalServer, PasswordFile, Server, TokenFile, Username, service_of, signed_in
from transfer.cli.errors import KeyInUseError, SettingMissingError, UsageRefusedError
from transfer.cli.options import (
    AsJson,
    ExportDir,
    ImportDir,
    KeyringFile,
    SigningKeyFile,
    inbox_of,
    outbox_of,
    reason_of,
)
from transfer.cli.output import Output, count_text, printable
from transfer.cli.server import CALL_SECONDS, refusals
from transfer.spool.key_use import is_signed_with, still_signed_with, versions_needed
from transfer.spool.outbox import Outbox

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


class Kind(StrEnum):
    """Which keys are rotated."""

    ENCRYPTION = "encryption"
    SIGNING = "signing"


_KEY_ID = re.compile("[0-9a-fA-F]{64}")

keys_app = typer.Typer(help="Show and change keys, step by step and without a day off.", no_args_is_help=True)
Version = Annotated[str, typer.Argument(metavar="VERSION", help="A version of the keyring, such as v2.")]


@keys_app.command("show")
def show(
    context: typer.Context,
    keyring_file: KeyringFile = None,
    signing_key_file: SigningKeyFile = None,
    server: OptionalServer = None,
    ca_file: CaFile = None,
    token_file: TokenFile = None,
    username: Username = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Show the versions of a keyring with their states, and the ids of the signing keys; never a key itself.

    From a service with --server: also which keys of the other network it trusts, and since when.
    """
    output = Output(as_json=as_json)
    with output.refusals():
        server = service_of(context, server, "keyring_file", "signing_key_file")
        if server is not None:
            access = signed_in(server, ca_file, token_file, username, password_file)
            with access as (channel, caller), refusals(server):
                keys = OpsServiceStub(channel).ListKeys(ListKeysRequest(), metadata=caller, timeout=CALL_SECONDS)
            _show_of_service(output, keys)
            return
        if keyring_file is None and signing_key_file is None:
            msg = "Neither key files nor a service are named."
            next_step = "Set ENCRYPTION_KEYRING_FILE and SIGNING_KEY_FILE as for the service, or --server."
            raise SettingMissingError(msg, next_step=next_step)
        states = dict(Keyring.from_file(keyring_file).states) if keyring_file is not None else {}
        signing = _signing_ids(signing_key_file) if signing_key_file is not None else {}
        output.document({"encryption": states, "signing": signing})
        for version, state in states.items():
            output.line(f"{version:<8} {state}")
        for name, key_id in signing.items():
            output.line(f"{name:<8} signs as {key_id}")


@keys_app.command("rotate")
def rotate(
    kind: Annotated[Kind, typer.Argument(help="encryption or signing.")],
    keyring_file: KeyringFile = None,
    signing_key_file: SigningKeyFile = None,
    export_dir: ExportDir = None,
    at_once: Annotated[
        bool,
        typer.Option("--at-once", help="signing: use the new key without its being confirmed, after a theft."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Take the next step of a rotation.

    encryption: puts one more version into the keyring, in preparation. Bring the file to the other network, then
    activate the version on each, on any day.

    signing: makes the next signing key, which the service announces under the present one. Run again after some trips,
    it puts the new key in the place of the old one, once the service signs with it; until then it says so and changes
    nothing. Where the old key was stolen, and so revoked on the other network, nothing that it signs is believed there
    any more: with --at-once the new one takes its place now, and its public half is brought there by hand.
    """
    output = Output(as_json=as_json)
    with output.refusals():
        if kind is Kind.ENCRYPTION:
            _rotate_encryption(output, _named(keyring_file, "--keyring", "ENCRYPTION_KEYRING_FILE"))
        else:
            path = _named(signing_key_file, "--signing-key", "SIGNING_KEY_FILE")
            (_replace_signing if at_once else _rotate_signing)(output, path, export_dir)


@keys_app.command("activate")
def activate(version: Version, keyring_file: KeyringFile = None, as_json: AsJson = False) -> None:
    """Seal new bundles with this version; the one before it opens older bundles until it is destroyed.

    Where the other network has not got the version yet, the service goes on with the one that both have.
    """
    output = Output(as_json=as_json)
    with output.refusals():
        path = _named(keyring_file, "--keyring", "ENCRYPTION_KEYRING_FILE")
        before = Keyring.from_file(path)
        keyring = activated(before, version)
        if keyring is before:
            output.line(f"{version} is active already; nothing was changed.")
        else:
            write_keyring(path, keyring)
            output.line(f"{version} is active; the service seals with it from its next export.")
        output.document({"active": version})


@keys_app.command("destroy")
def destroy(
    version: Version,
    keyring_file: KeyringFile = None,
    export_dir: ExportDir = None,
    import_dir: ImportDir = None,
    as_json: AsJson = False,
) -> None:
    """Delete a retiring version's key for good, on this network; its name is never given again.

    Refused while a bundle in the outbox, the inbox or quarantine needs it. Do it on both networks, and with their
    copies that are locked away.
    """
    output = Output(as_json=as_json)
    with output.refusals():
        path = _named(keyring_file, "--keyring", "ENCRYPTION_KEYRING_FILE")
        outbox, inbox = outbox_of(export_dir), inbox_of(import_dir)
        before = Keyring.from_file(path)
        keyring = without(before, version)
        if keyring is before:
            output.line(f"{version} is destroyed already; nothing was changed.")
        else:
            _require_idle(versions_needed(outbox, inbox)[version], version)
            write_keyring(path, keyring)
            output.line(f"{version} is destroyed here. Whatever it sealed can no longer be opened on this network.")
            output.line(
                "Only this network's folders were looked at: what is still on its way under it must be given up there."
            )
        output.document({"destroyed": version})


def _require_idle(needed: int, version: str) -> None:
    if needed:
        verb = "needs" if needed == 1 else "need"
        msg = f"{count_text(needed, 'bundle')} in this network's folders {verb} key version {version}."
        raise KeyInUseError(msg)


@keys_app.command("revoke")
def revoke(
    key_id: Annotated[
        str, typer.Argument(metavar="KEY_ID", help="64 hexadecimal digits, as `keys show --server` lists them.")
    ],
    reason: Annotated[str, typer.Option(help="Why; it goes into the audit trail.")],
    server: Server,
    ca_file: CaFile = None,
    token_file: TokenFile = None,
    username: Username = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Accept nothing more that this signing key of the other network signed, whatever file or bundle names it."""
    output = Output(as_json=as_json)
    with output.refusals():
        if _KEY_ID.fullmatch(key_id) is None:
            msg = f"{key_id!r} is not a key id, which has 64 hexadecimal digits."
            raise UsageRefusedError(msg, next_step="`transfer keys show --server` lists those of the other network.")
        request = RevokeSigningKeyRequest(key_id=key_id.lower(), reason=reason_of(reason))
        access = signed_in(server, ca_file, token_file, username, password_file)
        with access as (channel, caller), refusals(server):
            answer = OpsServiceStub(channel).RevokeSigningKey(request, metadata=caller, timeout=CALL_SECONDS)
        introduced = list(answer.introduced_key_ids)
        document = {"revoked": key_id, "trusted_keys": answer.trusted_keys, "introduced": introduced}
        output.document({**document, "not_kept": answer.not_kept})
        left = count_text(answer.trusted_keys, "key")
        verb = "counts" if answer.trusted_keys == 1 else "count"
        output.line(f"{printable(key_id)} is revoked; {left} of the other network still {verb}.")
        for one in introduced:
            output.warning(
                f"it introduced {one}, which still counts: unless the other network's operator knows it, revoke it too"
            )
        if answer.not_kept:
            output.warning(f"a restored backup forgets this: {printable(answer.not_kept)}")
        if not answer.trusted_keys:
            output.warning("no bundle is accepted until a key is added to PEER_SIGNING_KEYS_FILE")


def _show_of_service(output: Output, keys: ListKeysResponse) -> None:
    output.document(MessageToDict(keys, preserving_proto_field_name=True))
    output.line("encryption", style="bold")
    for one in keys.encryption_keys:
        output.line(f"  {one.version:<8} {one.state}")
    reads = ", ".join(keys.peer_reads_key_versions) or "not said yet"
    output.line(f"  the other network holds: {printable(reads)}")
    output.line("this network signs", style="bold")
    for own in keys.signing_keys:
        output.line(f"  {own.key_id}  {own.state}")
    output.line("the other network signs", style="bold")
    for peer in keys.peer_signing_keys:
        since = f" since {peer.since.ToJsonString()}" if peer.HasField("since") else ""
        introduced = f", announced under {peer.introduced_by[:16]}" if peer.introduced_by else ""
        output.line(f"  {peer.key_id}  {peer.state}{since}{introduced}")


def _rotate_encryption(output: Output, path: Path) -> None:
    keyring = Keyring.from_file(path)
    waiting = [version for version, state in keyring.states.items() if state is KeyState.PRE]
    if not waiting:
        keyring, version = with_new_version(keyring)
        write_keyring(path, keyring)
        waiting = [version]
        output.line(f"{version} is in the keyring, in preparation.")
    else:
        output.line(f"{waiting[0]} is in preparation already; nothing was changed.")
    output.document({"in_preparation": waiting[0]})
    output.line("Bring this keyring to the other network by hand, and make no version there: two keys of one name")
    output.line("would not open each other's bundles. Then, on each network, on any day:")
    output.line(f"  transfer keys activate {waiting[0]}")


def _rotate_signing(output: Output, path: Path, export_dir: Path | None) -> None:
    coming = next_of(path)
    if not coming.exists():
        key = make_next_signing_key(path)
        output.document({"next": key.key_id.hex(), "step": "made"})
        output.line(f"Made {coming}, which signs as {key.key_id.hex()[:16]}.")
        output.line("The service announces it in its next bundles and signs with it once the other network has")
        output.line("confirmed one of them. Run the same command again after that.")
        return
    key = SigningKey.load(coming)
    if not is_signed_with(outbox_of(export_dir), key.key_id):
        output.document({"next": key.key_id.hex(), "step": "waits"})
        output.line(f"No bundle here is signed as {key.key_id.hex()[:16]} yet; nothing was changed.")
        output.line("Let bundles go there and back, then run the same command again. `transfer keys show` of the")
        output.line("service says whether the other network has been told of it and has confirmed it.")
        return
    kept = promote_next_signing_key(path)
    output.document({"signs": key.key_id.hex(), "retired": str(kept), "step": "done"})
    output.line(f"{path} is now the new key, {key.key_id.hex()[:16]}; the old one is kept as {kept.name}.")
    old = SigningKey.load(kept).key_id
    waiting = still_signed_with(outbox_of(export_dir), old)
    when = (
        f", once the {count_text(waiting, 'bundle')} that it signed and that still wait are acknowledged"
        if waiting
        else ""
    )
    output.line(f"On the other network, revoke the old one{when}:")
    output.line(f"  transfer keys revoke {old.hex()}")


def _replace_signing(output: Output, path: Path, export_dir: Path | None) -> None:
    """The next key takes over unconfirmed; made now, if there is none."""
    outbox = outbox_of(export_dir)
    coming = next_of(path)
    key = SigningKey.load(coming) if coming.exists() else make_next_signing_key(path)
    kept = promote_next_signing_key(path)
    # Whatever key signed it: this may be the second run after a first one that was killed.
    waiting = len(Outbox(outbox).waiting()) - still_signed_with(outbox, key.key_id)
    output.document({"signs": key.key_id.hex(), "retired": str(kept), "waiting": waiting, "step": "done"})
    output.line(f"{path} is now the new key, {key.key_id.hex()[:16]}; the old one is kept as {kept.name}.")
    output.line(f"Bring {path.name}.pub to the other network by hand; it goes into its PEER_SIGNING_KEYS_FILE.")
    if waiting:
        output.line(
            f"What an old key signed and still waits ({count_text(waiting, 'bundle')}) is refused there; give it up:"
        )
        output.line("  transfer void NUMBERS --reason ...   (`transfer status` names them)")


def _signing_ids(path: Path) -> dict[str, str]:
    coming = next_of(path)
    named = [("present", path), *([("next", coming)] if coming.exists() else [])]
    return {name: SigningKey.load(file).key_id.hex() for name, file in named}


def _named(path: Path | None, option: str, variable: str) -> Path:
    if path is None:
        msg = f"No file is given: neither {option} nor {variable} is set."
        raise SettingMissingError(msg, next_step=f"Set {option} FILE, or {variable} as for the service.")
    return path
