"""The bundles that every reader must take."""

from __future__ import annotations

import hashlib

from airlock.bundle.v1.acknowledgement_pb2 import AcknowledgedRun, Acknowledgements, AuditHead, VoidedBundle
from airlock.bundle.v1.frame_pb2 import Frame
from airlock.bundle.v1.record_pb2 import OUTCOME_FAILED, Cancellation, Record
from airlock.bundle.v1.replication_pb2 import (
    USER_LIMIT_PRIORITY,
    USER_LIMIT_RATE_PER_DAY,
    Index,
    IndexField,
    ProfileType,
    Setting,
    TableState,
    User,
)
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


def digest_of(*rows: User | ProfileType | Setting | Index) -> bytes:
    """A table's digest; the rows come in the order of their ids."""
    digests = [hashlib.sha256(row.SerializeToString(deterministic=True)).digest() for row in rows]
    return hashlib.sha256(b"".join(digests)).digest()


def inheriting_user() -> User:
    return User(
        id=b"\x08" * 16,
        username="omid",
        email="omid@example.org",
        hashed_password="$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g",
        role="user",
        profile_type="premium",
        rate_limit_per_minute=10,
        rate_limit_per_hour=100,
        rate_limit_per_day=500,
        priority=5,
        is_active=True,
        revision=4,
        inherits=[USER_LIMIT_RATE_PER_DAY, USER_LIMIT_PRIORITY],
        session_version=2,
    )


def users_1_2_payload() -> bytes:
    user = inheriting_user()
    state = TableState(since_revision=3, revision=4, row_count=1, table_digest=digest_of(user))
    return framed(acknowledgements(), block(Record(table_state=state), Record(user=user)), end(2))


def premium(**changes: object) -> ProfileType:
    values: dict[str, object] = {
        "name": "premium",
        "description": "Two indices.",
        "rate_limit_per_minute": 60,
        "rate_limit_per_hour": 1000,
        "rate_limit_per_day": 10_000,
        "priority": 6,
        "soft": True,
        "query_kinds": ["*"],
        "indices": ["cities", "flights"],
        "max_result_bytes": 1 << 20,
        "revision": 2,
    }
    return ProfileType(**{**values, **changes})  # type: ignore[arg-type] # values differ in type


def profile_types_payload() -> bytes:
    removed = premium(name="legacy", indices=["*"], revision=3, is_deleted=True)
    rows = (removed, premium())
    state = TableState(snapshot=True, revision=3, row_count=2, table_digest=digest_of(*rows))
    records = [Record(profile_type=row) for row in rows]
    return framed(acknowledgements(), block(Record(table_state=state), *records), end(3))


def settings_payload() -> bytes:
    settings = [
        Setting(key="query.allow_leading_wildcard", bool_value=False, revision=1),
        Setting(key="query.max_depth", int_value=12, revision=2),
        Setting(key="query.max_size", revision=4, is_deleted=True),
        Setting(key="query.motto", string_value="سلام", revision=5),
    ]
    fields = [IndexField(name="name", type="text"), IndexField(name="name.raw", type="keyword")]
    index = Index(name="cities", description="Cities.", fields=fields, revision=3)
    # As bytes, index/… comes before setting/….
    state = TableState(snapshot=True, revision=5, row_count=5, table_digest=digest_of(index, *settings))
    records = [*(Record(setting=setting) for setting in settings), Record(index=index)]
    return framed(acknowledgements(), block(Record(table_state=state), *records), end(6))


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
    good(
        "good-users-1-2",
        "Schema 1.2: a user who inherits limits and whose sessions were ended twice.",
        users_1_2_payload,
        "request",
        **to_request_network(networks.BUNDLE_KIND_USERS, schema_minor=2),
    ),
    good(
        "good-profile-types",
        "Schema 1.2: a snapshot of two profile types, one removed.",
        profile_types_payload,
        "request",
        **to_request_network(networks.BUNDLE_KIND_PROFILE_TYPES, schema_minor=2),
    ),
    good(
        "good-settings",
        "Schema 1.2: settings of each type, one put back, and an index; the digest has the index first.",
        settings_payload,
        "request",
        **to_request_network(networks.BUNDLE_KIND_SETTINGS, schema_minor=2),
    ),
    good("good-long", "1,024 records in eight blocks.", long_payload),
    good("good-announcing", "Schema 1.1: key versions, and a new signing key.", announcing_payload, schema_minor=1),
    good("good-witnessing", "Schema 1.2: the heads of both audit chains.", witnessing_payload, schema_minor=2),
]
