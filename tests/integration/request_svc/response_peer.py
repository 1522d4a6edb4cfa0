"""The other network as far as files go: it seals users and answers, opens requests, and acknowledges what it opened."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from airlock.bundle.v1.acknowledgement_pb2 import Acknowledgements
from airlock.bundle.v1.frame_pb2 import ResultChunk
from airlock.common.v1 import network_pb2

from transfer.bundle.header import filename_of, new_header
from transfer.bundle.keyring import Keyring, SigningKey, TrustedKeys
from transfer.bundle.reader import open_payload, verify_file
from transfer.bundle.writer import BundleWriter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from airlock.bundle.v1.record_pb2 import Record

    from transfer.bundle.keyring import GeneratedKeys

NO_DIGEST = b"\0" * 32


class ResponsePeer:
    """A Response Network without a database. It applies bundles in order and loses none."""

    def __init__(self, keys: GeneratedKeys, epoch: int) -> None:
        self._keyring = Keyring.from_file(keys.keyring)
        self._signing_key = SigningKey.load(keys.response_signing_key)
        self._trusted = TrustedKeys.load(keys.request_public_key)
        self._epoch = epoch
        self._sequence = 0
        self._held = 0
        self._running = NO_DIGEST
        self._last = b""

    def seal(self, kind: network_pb2.BundleKind.ValueType, pieces: Sequence[Record | ResultChunk], inbox: Path) -> Path:
        """Seals a bundle and lays it into the inbox."""
        self._sequence += 1
        header = new_header(
            kind=kind,
            source=network_pb2.NETWORK_RESPONSE,
            destination=network_pb2.NETWORK_REQUEST,
            batch_id=uuid4(),
            epoch=self._epoch,
            sequence=self._sequence,
            created_at=datetime.now(UTC),
            key_version=self._keyring.current,
        )
        path = inbox / filename_of(header)
        with BundleWriter(path, header, self._keyring, self._signing_key, self._acknowledgements()) as writer:
            for piece in pieces:
                if isinstance(piece, ResultChunk):
                    writer.add_chunk(piece)
                else:
                    writer.add_record(piece.SerializeToString(deterministic=True))
            writer.finish()
        return path

    def take(self, outbox: Path) -> list[Record]:
        """Opens and acknowledges every bundle of requests that waits, the oldest first."""
        records: list[Record] = []
        files = [path for path in outbox.glob("*.pb.enc") if path.name != "latest.pb.enc"]
        opened = [
            verify_file(
                path,
                self._trusted,
                expected_source=network_pb2.NETWORK_REQUEST,
                expected_destination=network_pb2.NETWORK_RESPONSE,
            )
            for path in files
        ]
        for bundle in sorted(opened, key=lambda one: one.header.sequence):
            assert bundle.header.sequence == self._held + 1
            with open_payload(bundle, self._keyring) as payload:
                for frame in payload:
                    records.extend(frame.records.records)
            self._held += 1
            self._running = hashlib.sha256(self._running + bundle.digest).digest()
            self._last = bundle.digest
        return records

    def _acknowledgements(self) -> Acknowledgements:
        return Acknowledgements(
            epoch=self._epoch if self._held else 0,
            cumulative=self._held,
            running_digest=self._running,
            highest_seen=self._held,
            highest_digest=self._last,
        )
