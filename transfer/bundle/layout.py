"""The fixed parts of a bundle file: the prelude in front of the header and the trailer at the end. Bytes alone."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from transfer.bundle.limits import FORMAT_MAJOR, MAX_HEADER, MAX_SIGNATURES
from transfer.bundle.signing import KEY_ID_BYTES, ROLE_NAMES, SIGNATURE_BYTES
from transfer.errors import (
    FormatVersionError,
    LimitExceededError,
    MalformedHeaderError,
    NonCanonicalError,
    NotABundleError,
    TrailingBytesError,
    TruncatedError,
    UnknownFlagsError,
)

MAGIC: Final = bytes.fromhex("89414c4b0d0a1a0a")
TRAILER_MAGIC: Final = bytes.fromhex("89414c54")
DIGEST_BYTES: Final = 32

_PRELUDE = struct.Struct(">8sHHI")
PRELUDE_BYTES: Final = _PRELUDE.size
# Cobblestone's salt and commitment, and at least the tag of one chunk.
MIN_CIPHERTEXT: Final = 24 + 32 + 16

_SIGNATURE_BYTES = 1 + KEY_ID_BYTES + SIGNATURE_BYTES
_TRAILER_FIXED = len(TRAILER_MAGIC) + 1 + DIGEST_BYTES + 4
MIN_TRAILER: Final = _TRAILER_FIXED + _SIGNATURE_BYTES
MAX_TRAILER: Final = _TRAILER_FIXED + MAX_SIGNATURES * _SIGNATURE_BYTES


def pack_prelude(header_length: int) -> bytes:
    """The 16 bytes before a header of that length."""
    if not 0 < header_length <= MAX_HEADER:
        msg = f"a header of {header_length} bytes is beyond the limit of {MAX_HEADER}"
        raise ValueError(msg)
    return _PRELUDE.pack(MAGIC, FORMAT_MAJOR, 0, header_length)


def parse_prelude(data: bytes) -> int:
    """The length of the header that follows; `data` is the file's beginning, of at least 16 bytes unless it is cut."""
    if not data.startswith(MAGIC[: len(data)]) or not data:
        msg = "The file does not begin as a bundle does."
        raise NotABundleError(msg)
    if len(data) < PRELUDE_BYTES:
        msg = f"The file has {len(data)} bytes, fewer than the beginning of a bundle."
        raise TruncatedError(msg)
    _, major, flags, header_length = _PRELUDE.unpack_from(data)
    if major != FORMAT_MAJOR:
        msg = f"The bundle has format version {major}; this reader knows version {FORMAT_MAJOR}."
        raise FormatVersionError(msg)
    if flags:
        msg = f"The bundle sets the flags {flags:#06x}; format version {FORMAT_MAJOR} has none."
        raise UnknownFlagsError(msg)
    if header_length == 0:
        msg = "The bundle has an empty header."
        raise MalformedHeaderError(msg)
    if header_length > MAX_HEADER:
        msg = f"The header claims {header_length} bytes; the limit is {MAX_HEADER}."
        raise LimitExceededError(msg)
    return int(header_length)


@dataclass(frozen=True, slots=True)
class TrailerSignature:
    """One signature of a trailer: who signed in which role."""

    role: int
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Trailer:
    """The end of a bundle: its signatures, and the SHA-256 of every byte before the trailer."""

    signatures: tuple[TrailerSignature, ...]
    digest: bytes

    def pack(self) -> bytes:
        """The trailer's bytes."""
        parts = [TRAILER_MAGIC, bytes([len(self.signatures)])]
        for one in self.signatures:
            parts += [bytes([one.role]), one.key_id, one.signature]
        parts += [self.digest, (_TRAILER_FIXED + len(self.signatures) * _SIGNATURE_BYTES).to_bytes(4, "big")]
        return b"".join(parts)


def parse_trailer(tail: bytes) -> tuple[Trailer, int]:
    """The trailer at the end of `tail`, and its length. `tail` is the file's last MAX_TRAILER bytes or more.

    Raises TrailingBytesError if a trailer is there but bytes follow it, TruncatedError if none is, NonCanonicalError
    if its signatures are not in ascending order, and UnknownFlagsError for a role that this version does not define.
    """
    length = int.from_bytes(tail[-4:], "big")
    if not MIN_TRAILER <= length <= min(MAX_TRAILER, len(tail)) or not _is_trailer(tail[-length:]):
        raise _why_no_trailer(tail)
    trailer = _unpack(tail[-length:])
    keys = [(one.role, one.key_id) for one in trailer.signatures]
    if keys != sorted(set(keys)):
        msg = "The trailer's signatures are not in ascending order of role and key, each once."
        raise NonCanonicalError(msg)
    for one in trailer.signatures:
        if one.role not in ROLE_NAMES:
            msg = f"The trailer has a signature of the unknown role {one.role}."
            raise UnknownFlagsError(msg)
    return trailer, length


def _is_trailer(data: bytes) -> bool:
    """Whether these bytes are shaped as one whole trailer."""
    count = data[4]
    length = _TRAILER_FIXED + count * _SIGNATURE_BYTES
    return (
        data.startswith(TRAILER_MAGIC)
        and 1 <= count <= MAX_SIGNATURES
        and len(data) == length == int.from_bytes(data[-4:], "big")
    )


def _unpack(data: bytes) -> Trailer:
    signatures = []
    position = len(TRAILER_MAGIC) + 1
    for _ in range(data[4]):
        key_id = data[position + 1 : position + 1 + KEY_ID_BYTES]
        signature = data[position + 1 + KEY_ID_BYTES : position + _SIGNATURE_BYTES]
        signatures.append(TrailerSignature(data[position], key_id, signature))
        position += _SIGNATURE_BYTES
    return Trailer(tuple(signatures), data[position : position + DIGEST_BYTES])


def _why_no_trailer(tail: bytes) -> TrailingBytesError | TruncatedError:
    """Tells an appended file from a cut one: in the former, a whole trailer stands somewhat before the end."""
    position = tail.rfind(TRAILER_MAGIC)
    while position >= 0:
        if position + MIN_TRAILER <= len(tail):
            length = _TRAILER_FIXED + tail[position + 4] * _SIGNATURE_BYTES
            if _is_trailer(tail[position : position + length]):
                return TrailingBytesError(f"{len(tail) - position - length} bytes follow the end of the bundle.")
        position = tail.rfind(TRAILER_MAGIC, 0, position)
    return TruncatedError("The file does not end with the trailer of a bundle.")
