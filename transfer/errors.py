"""The ways in which a bundle, a folder or a medium can be wrong, each with one class, a slug, a cause and a next step.

TransferError
├── BundleError
│   ├── the file:     NotABundleError, FormatVersionError, UnknownFlagsError, TruncatedError, TrailingBytesError,
│   │                 HashMismatchError
│   ├── the signer:   UnknownSignerError, SignatureInvalidError
│   ├── the header:   MalformedHeaderError, SchemaVersionError, RequiredFeatureError, WrongDirectionError
│   ├── the key:      UnknownKeyVersionError, WrongKeyError, TamperedPayloadError
│   └── the payload:  CompressionError, LimitExceededError, NonCanonicalError, MalformedFrameError, UnknownFieldError,
│                     FrameOrderError, MalformedRecordError, ChunkOrderError, MissingEndError, CountMismatchError,
│                     DataAfterEndError
├── KeyFileError      a keyring or key file cannot be used
│   └── KeysExistError
├── SpoolError        a folder cannot be read or written
│   └── NoSpaceError, UnreadableError, NotQuarantinedError
└── MediumError       a medium cannot take or give a bundle
    └── MediumMissingError, MixedDirectionsError, ReadBackError, MarkerError, WrongMediumError, MediumLostError
"""

from __future__ import annotations

import errno
import os
import re
from typing import ClassVar, Final

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def as_text(name: str | os.PathLike[str]) -> str:
    """A file's name, or a text with one in it, as every database, log and protocol takes it.

    Bytes of a name that are no UTF-8, which Python keeps as halves of surrogate pairs, become U+FFFD.
    """
    return _SURROGATE.sub("\ufffd", os.fspath(name))


class TransferError(Exception):
    """Something about a bundle, a folder or a medium is wrong; safe to show, it never holds a secret.

    `message` names the cause, `next_step` what to do about it, and `defect` is a stable slug for programs.
    """

    defect: ClassVar[str] = "transfer"
    default_next_step: ClassVar[str] = "See the log of the service for the cause."

    def __init__(self, message: str, *, next_step: str | None = None) -> None:
        self.message = as_text(message)
        self.next_step = next_step or self.default_next_step
        super().__init__(f"{self.message} {self.next_step}")


class BundleError(TransferError):
    """A file is not a bundle that may be applied here."""

    defect = "bundle"
    default_next_step = "Bring the file again from the network that sealed it."


# The file.


class NotABundleError(BundleError):
    """The file does not begin with the magic of a bundle."""

    defect = "not-a-bundle"
    default_next_step = (
        "It is something else than a bundle of Airlock: if it lies in an inbox or on a medium, remove it."
    )


class FormatVersionError(BundleError):
    """The file has another format major than this reader knows."""

    defect = "format-version"
    default_next_step = "Upgrade Airlock on this network, then release the file from quarantine."


class UnknownFlagsError(BundleError):
    """The prelude sets flags that this version does not define."""

    defect = "unknown-flags"
    default_next_step = "Upgrade Airlock on this network, then release the file from quarantine."


class TruncatedError(BundleError):
    """The file ends before its trailer."""

    defect = "truncated"
    default_next_step = "The copy is incomplete; bring the file again."


class TrailingBytesError(BundleError):
    """Bytes follow the trailer."""

    defect = "trailing-bytes"
    default_next_step = "Something was appended to the file; bring the original again."


class HashMismatchError(BundleError):
    """The SHA-256 in the trailer is not that of the file."""

    defect = "hash-mismatch"
    default_next_step = "The copy is damaged; bring the file again, and check the medium if it happens often."


# The signer.


class UnknownSignerError(BundleError):
    """No signature is by a key that is configured for the other network."""

    defect = "unknown-signer"
    default_next_step = (
        "If this network sealed the file itself, carry it to the other one; if the other network has a new signing "
        "key, add its public key to PEER_SIGNING_KEYS_FILE."
    )


class SignatureInvalidError(BundleError):
    """A signature by a known key does not fit the file."""

    defect = "signature-invalid"
    default_next_step = "The file was changed after it was sealed; keep it for inquiry and bring the original again."


# The header.


class MalformedHeaderError(BundleError):
    """The header is not a valid BundleHeader, though its signature is good."""

    defect = "malformed-header"
    default_next_step = "The sender is faulty or of another version; compare the versions of both networks."


class SchemaVersionError(BundleError):
    """The records follow a schema that this reader does not know."""

    defect = "schema-version"
    default_next_step = "Upgrade Airlock on this network, then release the file from quarantine."


class RequiredFeatureError(BundleError):
    """Reading needs an ability that this reader does not have."""

    defect = "required-feature"
    default_next_step = "Upgrade Airlock on this network, then release the file from quarantine."


class WrongDirectionError(BundleError):
    """The bundle is not from the other network to this one, or its kind does not travel in its direction."""

    defect = "wrong-direction"
    default_next_step = "Carry it to the network that its header names; `transfer inspect` shows it."


# The key.


class UnknownKeyVersionError(BundleError):
    """The keyring has no key of the version that the header names."""

    defect = "unknown-key-version"
    default_next_step = "Add that version to ENCRYPTION_KEYRING_FILE, then release the file from quarantine."


class WrongKeyError(BundleError):
    """The key of that version is not the one that sealed the bundle, or the header was exchanged."""

    defect = "wrong-key"
    default_next_step = "Compare the keyrings of both networks, then release the file from quarantine."


class TamperedPayloadError(BundleError):
    """The encrypted payload was changed, cut or reordered."""

    defect = "tampered-payload"
    default_next_step = "Keep the file for inquiry and bring the original again."


# The payload.


class CompressionError(BundleError):
    """The payload is not one zstd frame with a window of at most 8 MiB."""

    defect = "compression"
    default_next_step = "The sender is faulty; compare the versions of both networks."


class LimitExceededError(BundleError):
    """A length or count is beyond its limit."""

    defect = "limit-exceeded"
    default_next_step = "The sender is faulty or hostile; keep the file for inquiry."


class NonCanonicalError(BundleError):
    """A value is not written in the one way that the format allows."""

    defect = "non-canonical"
    default_next_step = "The sender is faulty; compare the versions of both networks."


class MalformedFrameError(BundleError):
    """A frame is not a valid message."""

    defect = "malformed-frame"
    default_next_step = "The sender is faulty; compare the versions of both networks."


class UnknownFieldError(BundleError):
    """A message holds a field that this reader does not know."""

    defect = "unknown-field"
    default_next_step = "Upgrade Airlock on this network, then release the file from quarantine."


class FrameOrderError(BundleError):
    """Frames do not come in their order: acknowledgements once and first, End last."""

    defect = "frame-order"
    default_next_step = "The sender is faulty; compare the versions of both networks."


class MalformedRecordError(BundleError):
    """A record breaks a rule of its type, or does not belong in a bundle of this kind."""

    defect = "malformed-record"
    default_next_step = "The sender is faulty; compare the versions of both networks."


class ChunkOrderError(BundleError):
    """The pieces of an answer do not follow their record in order, without gaps, up to its length and hash."""

    defect = "chunk-order"
    default_next_step = "The sender is faulty; compare the versions of both networks."


class MissingEndError(BundleError):
    """The payload ends without an End frame."""

    defect = "missing-end"
    default_next_step = "The sender was cut short; bring the file again, or ask for a new bundle."


class CountMismatchError(BundleError):
    """The counts in the End frame are not those of the payload."""

    defect = "count-mismatch"
    default_next_step = "The sender is faulty; compare the versions of both networks."


class DataAfterEndError(BundleError):
    """Bytes follow the End frame."""

    defect = "data-after-end"
    default_next_step = "The sender is faulty or hostile; keep the file for inquiry."


# Keys, folders and media.


class KeyFileError(TransferError):
    """A keyring or a key file is missing, malformed or would be overwritten."""

    defect = "key-file"
    default_next_step = (
        "Name the right file in the settings, readable by this account. New keys, by `transfer keygen`, are only for "
        "networks that have none."
    )


class KeysExistError(KeyFileError):
    """Keys would be overwritten."""

    defect = "keys-exist"
    default_next_step = "Name another folder, or move the old keys away."


class SpoolError(TransferError):
    """A folder of bundles cannot be read or written."""

    defect = "spool"
    default_next_step = "Check that the folder exists, is writable and its disk is healthy."


class NotQuarantinedError(SpoolError):
    """No refused file has that name."""

    defect = "not-quarantined"
    default_next_step = "`transfer quarantine list` shows the names."


class NoSpaceError(SpoolError):
    """The disk has no room for a file."""

    defect = "no-space"
    default_next_step = "Free space on that disk; the next run tries again and nothing is lost."


class UnreadableError(SpoolError):
    """A file that was found cannot be read; others on the same disk may well be."""

    defect = "unreadable"
    default_next_step = "What holds the file is failing: have the bundle taken again, with another medium."


def spool_error(doing: str, path: str | os.PathLike[str], error: OSError) -> SpoolError:
    """The error for what the system says, as `<doing> <path>: <reason>`; `doing` is a verb such as "Writing"."""
    message = f"{doing} {path} failed: {error.strerror or error}."
    if error.errno == errno.EROFS:
        return SpoolError(message, next_step="It is mounted read-only: mount it for writing, or use another one.")
    return (NoSpaceError if error.errno in {errno.ENOSPC, errno.EDQUOT} else SpoolError)(message)


class MediumError(TransferError):
    """A medium cannot take or give a bundle."""

    defect = "medium"
    default_next_step = "Use another medium; the files stay where they were."


class MediumMissingError(MediumError):
    """The medium is not there, or is not a folder."""

    defect = "medium-missing"
    default_next_step = "Mount the medium and name its folder."


class MixedDirectionsError(MediumError):
    """A medium holds bundles for both networks, and nobody said which network this is."""

    defect = "mixed-directions"
    default_next_step = "Say which network this is: `--to request` or `--to response`."


class ReadBackError(MediumError):
    """What was written reads back as something else."""

    defect = "read-back"
    default_next_step = "The medium is failing: use another one. The bundle is still where it was."


class MarkerError(MediumError):
    """The file that names a medium cannot be used, or a name is none."""

    defect = "marker"
    default_next_step = "Look at the medium; `transfer medium init` marks it anew."


class WrongMediumError(MediumError):
    """A medium may not carry bundles of this network."""

    defect = "wrong-medium"
    default_next_step = "Use a medium for this direction; `transfer medium list` shows those that are known."


class PlaceTakenError(MediumError):
    """Something else on a medium has the name of a bundle or of its folder."""

    defect = "place-taken"
    default_next_step = "Remove it from the medium and take again."


class MediumRetiredError(MediumError):
    """A medium was put out of use, and is used."""

    defect = "medium-retired"
    default_next_step = "Take another one; to use this one again, wipe it and mark it anew with `transfer medium init`."


class MediumLostError(MediumError):
    """A medium was reported lost, and is back."""

    defect = "medium-lost"
    default_next_step = "Nobody knows where it was: wipe it, and mark it under a new name with `transfer medium init`."
