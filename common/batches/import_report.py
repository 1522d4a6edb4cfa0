"""The report that every import leaves: what was checked, up to where, by whom it was brought, from which medium."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any, Final

from transfer.custody.errors import EarlierEpochError, ForkError, ImplausibleEpochError, LaterEpochError
from transfer.errors import (
    FormatVersionError,
    HashMismatchError,
    MalformedHeaderError,
    NotABundleError,
    RequiredFeatureError,
    SchemaVersionError,
    SignatureInvalidError,
    TamperedPayloadError,
    TrailingBytesError,
    TruncatedError,
    UnknownFlagsError,
    UnknownKeyVersionError,
    UnknownSignerError,
    WrongDirectionError,
    WrongKeyError,
)

if TYPE_CHECKING:
    from transfer.bundle.hashing import HashedFile
    from transfer.bundle.reader import VerifiedBundle
    from transfer.errors import TransferError
    from transfer.spool.journal import JournalEntry

# In the order in which an import takes them.
CHECKS: Final = ("file", "signature", "header", "direction", "stream", "key", "payload")
_REFUSED_AT: Final[dict[str, tuple[type[TransferError], ...]]] = {
    "file": (
        NotABundleError,
        FormatVersionError,
        UnknownFlagsError,
        TruncatedError,
        TrailingBytesError,
        HashMismatchError,
    ),
    "signature": (UnknownSignerError, SignatureInvalidError),
    "header": (MalformedHeaderError, SchemaVersionError, RequiredFeatureError),
    "direction": (WrongDirectionError,),
    "stream": (ForkError, EarlierEpochError, LaterEpochError, ImplausibleEpochError),
    "key": (UnknownKeyVersionError, WrongKeyError),
    "payload": (TamperedPayloadError,),
}

Report = dict[str, Any]


def report_of_applied(bundle: VerifiedBundle, brought: JournalEntry | None, stream: str, payload: str = "") -> Report:
    """For a bundle whose file is good. `payload` says what was in it; empty if there was no need to open it."""
    details = _details_of(bundle) | {"stream": stream}
    if payload:
        details |= {"key": f"version {bundle.header.key_version} opens it", "payload": payload}
    checks = [_check(name, "passed", details[name]) for name in CHECKS if name in details]
    checks += [_check(name, "not reached", "not needed") for name in CHECKS if name not in details]
    return _report(checks, brought, bundle.signer.hex(), bundle.header.key_version)


def report_of_refused(
    error: TransferError, brought: JournalEntry | None, hashed: HashedFile | None, bundle: VerifiedBundle | None = None
) -> Report:
    """For a refused file: everything up to the check that it failed. `hashed` is given if the file is whole."""
    failed = _failed_check(error, hashed)
    position = CHECKS.index(failed)
    details = _details_of(bundle) if bundle is not None else {}
    checks = [_check(name, "passed", details.get(name, "")) for name in CHECKS[:position]]
    checks += [_check(failed, "refused", f"{error.message} [{error.defect}]")]
    checks += [_check(name, "not reached", "") for name in CHECKS[position + 1 :]]
    signer = ""
    if hashed is not None and position > CHECKS.index("signature"):
        signer = hashed.trailer.signatures[0].key_id.hex()
    return _report(checks, brought, signer, bundle.header.key_version if bundle is not None else "")


def _failed_check(error: TransferError, hashed: HashedFile | None) -> str:
    for name, kinds in _REFUSED_AT.items():
        if isinstance(error, kinds):
            return name
    # A limit or an encoding may break anywhere; a file that was never whole broke at once.
    return "file" if hashed is None else "payload"


def _details_of(bundle: VerifiedBundle) -> dict[str, str]:
    header = bundle.header
    return {
        "file": f"{bundle.size} bytes, SHA-256 {bundle.checksum}",
        "signature": f"by key {bundle.signer.hex()[:16]}",
        "header": f"schema {header.schema_major}.{header.schema_minor}, batch {bundle.batch_id}",
        "direction": "from the other network to this one",
    }


def _check(name: str, result: str, detail: str) -> dict[str, str]:
    return {"name": name, "result": result, "detail": detail}


def _report(checks: list[dict[str, str]], brought: JournalEntry | None, signer: str, key_version: str) -> Report:
    report: Report = {
        "checks": checks,
        "imported_by": f"{socket.gethostname()}:{os.getpid()}",
        "signer": signer,
        "key_version": key_version,
    }
    if brought is not None:
        report |= {"brought_by": brought.by, "medium": brought.medium, "brought_at": brought.at}
    return report
