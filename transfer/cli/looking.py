"""`transfer inspect` and `transfer verify`: what a file claims, and whether it is true."""

from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from airlock.bundle.v1.header_pb2 import BundleHeader
from airlock.common.v1.network_pb2 import Network

from transfer.bundle.header import from_micros
from transfer.bundle.keyring import Keyring, TrustedKeys
from transfer.bundle.names import SIDECAR_SUFFIX, kind_name, network_name
from transfer.bundle.reader import BundleSummary, Counts, VerifiedBundle, open_payload, summary, verify_file
from transfer.bundle.signing import ROLE_NAMES
from transfer.cli.json_form import to_json
from transfer.cli.options import (
    AsJson,
    ExpectedNetwork,
    KeyringFile,
    PeerKeysFile,
    keyring_or_none,
    network_or_none,
    readable,
    trusted_keys_of,
)
from transfer.cli.output import Output, count_text, printable, size_text
from transfer.errors import TransferError

_KEY_ID = 16


def _without_sidecars(files: list[Path]) -> list[Path]:
    """The bundles among the files of a folder: `*` names what `take` has laid beside them too."""
    return [path for path in files if not path.name.endswith(SIDECAR_SUFFIX)] or files


Files = Annotated[
    list[Path],
    typer.Argument(
        help="Bundles; sidecars beside them are passed over.",
        metavar="FILE...",
        show_default=False,
        callback=_without_sidecars,
    ),
]


def inspect(files: Files, as_json: AsJson = False) -> None:
    """Show what bundles claim about themselves: header, sizes, signer. No keys are needed, and nothing is verified.

    Only the hash is compared, so a damaged file is told from a whole one. Who wrote a file, only `transfer verify`
    can say.
    """
    output = Output(as_json=as_json)
    with output.refusals():
        documents = []
        for path in files:
            try:
                found = summary(readable(path))
            except TransferError as error:
                documents.append({"path": str(path), "error": output.failure(error, path)})
                continue
            documents.append(_summary(path, found))
            _show(output, path, found)
        output.document(documents)


def _summary(path: Path, found: BundleSummary) -> dict[str, Any]:
    return {
        "path": str(path),
        "verified": False,
        "header": to_json(found.header),
        "size_bytes": found.size,
        "header_bytes": found.header_bytes,
        "payload_bytes": found.ciphertext_bytes,
        "trailer_bytes": found.trailer_bytes,
        "checksum": found.checksum,
        "digest": found.digest.hex(),
        "signatures": [{"role": ROLE_NAMES[one.role], "key_id": one.key_id.hex()} for one in found.signatures],
    }


def _show(output: Output, path: Path, found: BundleSummary) -> None:
    header = found.header
    parts = f"header {size_text(found.header_bytes)}, payload {size_text(found.ciphertext_bytes)}"
    signers = ", ".join(f"{one.key_id.hex()[:_KEY_ID]} ({ROLE_NAMES[one.role]})" for one in found.signatures)
    output.line(printable(path), style="bold")
    for name, value in (
        ("kind", f"{kind_name(header.kind)}, {_way(header)}"),
        ("stream", f"epoch {header.epoch}, number {header.sequence}"),
        ("batch", str(UUID(bytes=header.batch_id))),
        ("created", f"{from_micros(header.created_at_micros):%Y-%m-%d %H:%M:%S} UTC"),
        ("schema", f"{header.schema_major}.{header.schema_minor}"),
        ("key", printable(header.key_version)),
        ("size", f"{size_text(found.size)}: {parts}, trailer {size_text(found.trailer_bytes)}"),
        ("sha256", found.checksum),
        ("digest", found.digest.hex()),
        ("signer", signers),
    ):
        output.line(f"  {name:<8} {value}")
    output.line("  not verified: the hash is right, but anyone could have written this", style="yellow")


def _way(header: BundleHeader) -> str:
    return f"from {network_name(header.source_network)} to {network_name(header.destination_network)}"


def verify(
    files: Files,
    keyring_file: KeyringFile = None,
    peer_keys_file: PeerKeysFile = None,
    to: ExpectedNetwork = None,
    as_json: AsJson = False,
) -> None:
    """Check bundles as an import would: hash, signature, header, and, if a keyring is given, the whole payload."""
    output = Output(as_json=as_json)
    with output.refusals():
        trusted, keyring, destination = (
            trusted_keys_of(peer_keys_file),
            keyring_or_none(keyring_file),
            network_or_none(to),
        )
        documents = []
        for path in files:
            try:
                verified, counts = _verified(path, trusted, keyring, destination)
            except TransferError as error:
                documents.append({"path": str(path), "verified": False, "error": output.failure(error, path)})
                continue
            documents.append(_verdict(path, verified, counts))
            output.line(f"ok  {printable(path)}", style="green")
            output.line(f"    {kind_name(verified.kind)}, {_way(verified.header)}, number {verified.header.sequence}")
            output.line(f"    signed by {verified.signer.hex()[:_KEY_ID]}, {_payload_text(counts)}")
        output.document(documents)


def _verified(
    path: Path, trusted: TrustedKeys, keyring: Keyring | None, destination: Network.ValueType | None
) -> tuple[VerifiedBundle, Counts | None]:
    verified = verify_file(readable(path), trusted, expected_source=None, expected_destination=destination)
    if keyring is None:
        return verified, None
    with open_payload(verified, keyring) as payload:
        for _ in payload:
            pass
        return verified, payload.counts


def _verdict(path: Path, verified: VerifiedBundle, counts: Counts | None) -> dict[str, Any]:
    opened = None
    if counts is not None:
        opened = {"records": counts.records, "chunks": counts.chunks, "uncompressed_bytes": counts.payload_bytes}
    return {
        "path": str(path),
        "verified": True,
        "header": to_json(verified.header),
        "size_bytes": verified.size,
        "checksum": verified.checksum,
        "digest": verified.digest.hex(),
        "signer_key_id": verified.signer.hex(),
        "payload": opened,
    }


def _payload_text(counts: Counts | None) -> str:
    if counts is None:
        return "payload not opened (no keyring is given)"
    pieces = f" and {count_text(counts.chunks, 'piece')} of long answers" if counts.chunks else ""
    return f"payload whole: {count_text(counts.records, 'record')}{pieces}, {size_text(counts.payload_bytes)}"
