"""Ed25519 signatures over bundles: the sender's key, the keys trusted here, and the exact bytes that are signed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from transfer.errors import KeyFileError, SignatureInvalidError, UnknownSignerError

if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Iterable, Mapping

SENDER: Final = 1
ROLE_NAMES: Final[Mapping[int, str]] = {SENDER: "sender"}
KEY_ID_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64

_MAX_FILE = 64 * 1024
_END_OF_PEM = b"-----END PUBLIC KEY-----"

_ASK_ABOUT_REVOKED: Final = (
    "Somebody may have stolen that key: ask the other network's operator, not by a medium, whether they sealed this "
    "file, and discard it if not."
)

_SMALL_ORDER = frozenset(
    bytes.fromhex(point)
    for point in (
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
    )
)


def pre_authentication(role: int, payload_offset: int, digest: bytes) -> bytes:
    """What is signed: DSSE's pre-authentication encoding of the role and of where the payload begins and the digest.

    Source: https://github.com/secure-systems-lab/dsse/blob/master/protocol.md. `digest` is the SHA-256 in the trailer.
    """
    kind = f"airlock.bundle.v1/{ROLE_NAMES[role]}".encode()
    body = payload_offset.to_bytes(8, "big") + digest
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(body), body)


class SigningKey:
    """This network's private Ed25519 key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.key_id = key_id_of(key.public_key())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> SigningKey:
        """Reads one unencrypted PKCS #8 PEM. Raises KeyFileError, which never quotes the file."""
        try:
            key = load_pem_private_key(_read(Path(path)), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            msg = f"{path} is not an unencrypted private key in PEM."
            raise KeyFileError(msg) from None
        if not isinstance(key, Ed25519PrivateKey):
            msg = f"The key in {path} is not an Ed25519 key."
            raise KeyFileError(msg)
        return cls(key)

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature of RFC 8032."""
        return self._key.sign(message)

    @property
    def public_bytes(self) -> bytes:
        """The raw 32-byte public key, as it is announced to the other network."""
        return self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def public_pem(self) -> bytes:
        """The public half, as the other network's PEER_SIGNING_KEYS_FILE holds it."""
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


class TrustedKeys:
    """The public keys by which the other network may sign."""

    def __init__(self, keys: Iterable[Ed25519PublicKey], revoked: Collection[bytes] = ()) -> None:
        """`revoked` are key ids that count no more, whatever `keys` holds."""
        self._revoked = frozenset(revoked)
        self._keys = {key_id: key for key in keys if (key_id := key_id_of(key)) not in self._revoked}

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> TrustedKeys:
        """Reads one or more public keys in PEM from one file. Raises KeyFileError."""
        keys: list[Ed25519PublicKey] = []
        parts = _read(Path(path)).split(_END_OF_PEM)
        for part in parts[:-1]:
            try:
                key = load_pem_public_key(part.lstrip() + _END_OF_PEM + b"\n")
            except (ValueError, UnsupportedAlgorithm):
                msg = f"Public key {len(keys) + 1} in {path} is not valid PEM."
                raise KeyFileError(msg) from None
            if not isinstance(key, Ed25519PublicKey):
                msg = f"Public key {len(keys) + 1} in {path} is not an Ed25519 key."
                raise KeyFileError(msg)
            keys.append(trustworthy(key.public_bytes(Encoding.Raw, PublicFormat.Raw)))
        if not keys or parts[-1].strip():
            msg = f"{path} must hold public keys in PEM and nothing after them."
            raise KeyFileError(msg)
        return cls(keys)

    def changed(self, *, learned: Iterable[bytes], revoked: Collection[bytes]) -> TrustedKeys:
        """These keys and the raw public keys in `learned`, without those whose key id is in `revoked`."""
        keys = {**self._keys, **{key_id_of(key): key for key in map(trustworthy, learned)}}
        return TrustedKeys(keys.values(), revoked)

    @property
    def key_ids(self) -> frozenset[bytes]:
        """The ids of all trusted keys."""
        return frozenset(self._keys)

    def verify(self, role: int, key_id: bytes, signature: bytes, message: bytes) -> None:
        """Returns if the signature is good. Raises UnknownSignerError or SignatureInvalidError.

        `role` is part of `message` already; it is named here for the report, and for keys that are bound to a role.
        """
        key = self._keys.get(key_id)
        if key_id in self._revoked:
            msg = f"The bundle's {ROLE_NAMES[role]} signed with key {key_id.hex()[:16]}, which was revoked here."
            raise UnknownSignerError(msg, next_step=_ASK_ABOUT_REVOKED)
        if key is None:
            msg = f"The bundle's {ROLE_NAMES[role]} signed with key {key_id.hex()[:16]}, which is not trusted here."
            raise UnknownSignerError(msg)
        try:
            key.verify(signature, message)
        except InvalidSignature:
            msg = f"The signature by key {key_id.hex()[:16]} does not fit the file."
            raise SignatureInvalidError(msg) from None


def is_trustworthy(raw: bytes) -> bool:
    """Whether these 32 bytes are no point of small order.

    Source of the list: `ge25519_has_small_order` of libsodium. The highest bit, the sign of x, does not matter.
    """
    return raw[:-1] + bytes([raw[-1] & 0x7F]) not in _SMALL_ORDER


def trustworthy(raw: bytes) -> Ed25519PublicKey:
    """The public key of these 32 bytes. KeyFileError for one under which one fixed signature fits any message."""
    if not is_trustworthy(raw):
        msg = f"The public key {raw.hex()} is one under which anybody can sign."
        raise KeyFileError(msg, next_step="Whoever gave it is faulty or hostile; ask for another by another way.")
    return Ed25519PublicKey.from_public_bytes(raw)


def key_id_of(key: Ed25519PublicKey) -> bytes:
    """SHA-256 of the raw 32-byte public key."""
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).digest()


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE + 1)
    except OSError as error:
        msg = f"The key file {path} cannot be read: {error.strerror}."
        raise KeyFileError(msg) from error
    if len(data) > _MAX_FILE:
        msg = f"The key file {path} is longer than {_MAX_FILE} bytes."
        raise KeyFileError(msg)
    return data
