"""The bundles that every reader must take."""

from __future__ import annotations

import hashlib

from airlock.bundle.v1.acknowledgement_pb2 import AcknowledgedRun, Acknowledgements, AuditHead, VoidedBundle
from airlock.bundle.v1.frame_pb2 import Frame
from airlock.bundle.v1.record_pb2 import OUTCOME_FAILED, Cancellation, Record
from airlock.bundle.v1.replication_pb2 import TableState, User
from airlock.common.v1 import network_pb2 as networks
from airlock.common.v1.failure_reason_pb2 import FAILURE_REASON_REFUSED

from tests.vectors.craft import acknowledgements, block, chunk, end, framed, request, response
from tests.vectors.vector import (
    good,
    to_request_network,
)


def status_payload() -> bytes:
    state = Acknowledgements(
        epoch=1_767_225_600,
        cumulative=4,
        running_digest=b"r" * 32,
        above=[AcknowledgedRun(first=6, last=8, running_digest=b"s" * 32)],
        highest_seen=9,
        highest_digest=b"h" * 32,
        voided=[VoidedBundle(sequence=3, digest=b"v" * 32)],
        snapshots_wanted=[networks.BUNDLE_KIND_USERS],
    )
    return framed(Frame(acknowledgements=state), end(0))


def announcement(key: bytes = b"k" * 32) -> Frame:
    """A first frame that schema 1.0 could not hold."""
    state = Acknowledgements(
        running_digest=bytes(32),
        reads_schema_minor=1,
        reads_key_versions=["v1", "v2"],
        announced_signing_key=key,
    )
    return Frame(acknowledgements=state)


def announcing_payload() -> bytes:
    return framed(announcement(), block(request(1)), end(1))


def witnessing(**changes: AuditHead) -> Frame:
    """A first frame that schema 1.1 could not hold."""
    heads = {
        "audit_head": AuditHead(segment=7, digest=b"a" * 32),
        "witnessed_audit_head": AuditHead(segment=5, digest=b"w" * 32),
    }
    state = Acknowledgements(running_digest=bytes(32), reads_schema_minor=2, **heads | changes)
    return Frame(acknowledgements=state)


def witnessing_payload() -> bytes:
    return framed(witnessing(), block(request(1)), end(1))


def requests_payload() -> bytes:
    cancellation = Record(cancellation=Cancellation(request_id=b"\x01" * 16, cancelled_at_micros=1_767_225_602_000_000))
    return framed(acknowledgements(), block(request(1), request(2)), block(request(3), cancellation), end(4))


def responses_payload() -> bytes:
    answer = bytes(range(256)) * 2048
    failed = response(b"", outcome=OUTCOME_FAILED, failure_reason=FAILURE_REASON_REFUSED, message="Not allowed.")
    return framed(
        acknowledgements(),
        block(response(b'{"took":1}'), failed),
        block(response(answer, 131_072)),
        chunk(answer[131_072:393_216], 131_072),
        chunk(answer[393_216:], 393_216),
        block(response(b"{}")),
        end(4, 2),
    )


def users_payload() -> bytes:
    user = User(
        id=b"\x07" * 16,
        username="سارا",
        email="sara@example.org",
        hashed_password="$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g",
        role="user",
        profile_type="standard",
        priority=5,
        is_active=True,
        revision=3,
    )
    row = hashlib.sha256(user.SerializeToString(deterministic=True)).digest()
    state = TableState(snapshot=True, revision=3, row_count=1, table_digest=hashlib.sha256(row).digest())
    return framed(acknowledgements(), block(Record(table_state=state), Record(user=user)), end(2))


def long_payload() -> bytes:
    """More than one chunk of encryption, and a last chunk of exactly nothing."""
    return framed(acknowledgements(), *(block(*(request(n) for n in range(1, 129))) for _ in range(8)), end(1024))


GOOD = [
    good("good-requests", "Requests and a cancellation in two blocks.", requests_payload),
    good("good-status", "Acknowledgements alone.", status_payload, kind=networks.BUNDLE_KIND_STATUS),
    good(
        "good-responses",
        "An answer, a failure, an answer in pieces and an answer behind it.",
        responses_payload,
        "request",
        **to_request_network(networks.BUNDLE_KIND_RESPONSES),
    ),
    good(
        "good-users",
        "A snapshot of a table with one user.",
        users_payload,
        "request",
        **to_request_network(networks.BUNDLE_KIND_USERS),
    ),
    good("good-long", "1,024 records in eight blocks.", long_payload),
    good("good-announcing", "Schema 1.1: key versions, and a new signing key.", announcing_payload, schema_minor=1),
    good("good-witnessing", "Schema 1.2: the heads of both audit chains.", witnessing_payload, schema_minor=2),
]
