"""Which requests lie in sealed bundles that survived, in whatever folder of either network."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from airlock.common.v1.network_pb2 import NETWORK_REQUEST, NETWORK_RESPONSE

from transfer.bundle.keyring import Keyring
from transfer.bundle.names import BUNDLE_SUFFIX
from transfer.bundle.reader import open_payload, verify_file
from transfer.bundle.signing import SigningKey, TrustedKeys
from transfer.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sandbox.rehearsal.side import Side


def surviving_requests(sides: Mapping[str, Side]) -> dict[UUID, list[str]]:
    """The requests in every bundle of the Request Network that can still be opened, and in which files each is.

    What is damaged, or was sealed with a key that was destroyed since, is no bundle any more.
    """
    request, response = sides["request"], sides["response"]
    keyring_file = request.settings.encryption_keyring_file
    assert keyring_file is not None
    keyring, trusted = Keyring.from_file(keyring_file), _all_keys_of(request)
    found: dict[UUID, list[str]] = {}
    for folder in (request.export_dir, response.import_dir):
        for path in sorted(folder.rglob(f"*{BUNDLE_SUFFIX}")):
            try:
                for request_id in _requests_in(path, keyring, trusted):
                    found.setdefault(request_id, []).append(str(path.relative_to(folder.parent.parent)))
            except BundleError:
                continue
    return found


def _requests_in(path: Path, keyring: Keyring, trusted: TrustedKeys) -> Iterator[UUID]:
    verified = verify_file(path, trusted, expected_source=NETWORK_REQUEST, expected_destination=NETWORK_RESPONSE)
    with open_payload(verified, keyring) as payload:
        for frame in payload:
            for record in frame.records.records:
                if record.HasField("request"):
                    yield UUID(bytes=record.request.id)


def _all_keys_of(side: Side) -> TrustedKeys:
    """Every key that the network ever signed with."""
    private = side.settings.signing_key_file
    paths = [path for path in private.parent.glob(f"{private.name}*") if not path.name.endswith(".pub")]
    keys = [SigningKey.load(path).public_bytes for path in paths]
    return TrustedKeys([]).changed(learned=keys, revoked=())
