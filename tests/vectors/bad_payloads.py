"""Well-signed bundles that are wrong within: compression, frames, records and answers. One defect in each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airlock.bundle.v1.acknowledgement_pb2 import Acknowledgements, AuditHead
from airlock.bundle.v1.frame_pb2 import Frame
from airlock.bundle.v1.record_pb2 import OUTCOME_FAILED, Record
from airlock.bundle.v1.replication_pb2 import Index, ProfileType, Setting, TableState
from airlock.common.v1 import network_pb2 as networks

from tests.vectors import craft
from tests.vectors.craft import Craft, block, chunk, end, request, response
from tests.vectors.good import announcement, inheriting_user, premium, witnessing
from tests.vectors.vector import (
    ACK,
    TWO,
    answers,
    bad,
    compressed,
    payload,
    to_request_network,
    unknown_field,
    wide_window,
    zstd,
)

if TYPE_CHECKING:
    from tests.vectors.vector import Vector

PAYLOAD = [
    bad("not-zstd", "compression", "Frames without compression.", compressed(craft.good_payload)),
    bad("payload-empty", "compression", "Nothing was encrypted.", compressed(lambda: b"")),
    bad(
        "zstd-cut",
        "compression",
        "All frames are there, the end of compression is not.",
        compressed(lambda: zstd(craft.good_payload(), write_checksum=True)[:-4]),
    ),
    bad(
        "zstd-twice",
        "data-after-end",
        "A second zstd frame.",
        compressed(lambda: zstd(craft.good_payload()) + zstd(b"more")),
    ),
    bad(
        "zstd-skippable",
        "data-after-end",
        "A skippable frame behind the end.",
        compressed(lambda: zstd(craft.good_payload()) + b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd"),
    ),
    bad("zstd-wide-window", "compression", "A window of 128 MiB.", compressed(wide_window)),
    bad(
        "length-padded",
        "non-canonical",
        "The length of a frame is padded.",
        lambda: Craft(payload=b"\xa4\x80\x00" + craft.good_payload()[1:]).build(),
    ),
    bad("length-huge", "limit-exceeded", "A frame claims 2 MiB.", lambda: Craft(payload=craft.varint(2 << 20)).build()),
    bad("length-endless", "limit-exceeded", "A length that goes on.", lambda: Craft(payload=b"\xff" * 64).build()),
    bad(
        "frame-cut",
        "missing-end",
        "The payload ends inside a frame.",
        lambda: Craft(payload=craft.good_payload()[:-1]).build(),
    ),
    bad("missing-end", "missing-end", "No End frame.", payload(ACK, TWO)),
    bad("after-end", "data-after-end", "A byte behind End.", payload(ACK, TWO, end(2), behind=b"\x00")),
    bad("end-twice", "data-after-end", "End twice.", payload(ACK, TWO, end(2), end(2))),
    bad("records-miscounted", "count-mismatch", "End counts three of two records.", payload(ACK, TWO, end(3))),
    bad("chunks-miscounted", "count-mismatch", "End counts a chunk that is not there.", payload(ACK, TWO, end(2, 1))),
    bad("frame-noise", "malformed-frame", "Not a message.", payload(ACK, b"\xff\xff\xff\xff", end(0))),
    bad(
        "announcement-in-schema-1-0",
        "unknown-field",
        "The header says schema 1.0; the acknowledgements hold a field of 1.1.",
        payload(announcement(), TWO, end(2)),
    ),
    bad(
        "announcement-too-long",
        "malformed-frame",
        "A signing key of 33 bytes.",
        lambda: Craft(
            header=craft.header(schema_minor=1), payload=craft.framed(announcement(b"k" * 33), TWO, end(2))
        ).build(),
    ),
    bad(
        "audit-head-in-schema-1-1",
        "unknown-field",
        "The header says schema 1.1; the acknowledgements hold a field of 1.2.",
        lambda: Craft(header=craft.header(schema_minor=1), payload=craft.framed(witnessing(), TWO, end(2))).build(),
    ),
    bad(
        "audit-head-short",
        "malformed-frame",
        "A digest of 31 bytes in an audit head.",
        lambda: Craft(
            header=craft.header(schema_minor=2),
            payload=craft.framed(witnessing(audit_head=AuditHead(segment=7, digest=b"a" * 31)), TWO, end(2)),
        ).build(),
    ),
    bad(
        "audit-head-without-number",
        "malformed-frame",
        "A witnessed audit head of segment 0.",
        lambda: Craft(
            header=craft.header(schema_minor=2),
            payload=craft.framed(witnessing(witnessed_audit_head=AuditHead(digest=b"w" * 32)), TWO, end(2)),
        ).build(),
    ),
    bad(
        "frame-unknown-field",
        "unknown-field",
        "A field that schema 1.0 does not have.",
        payload(ACK, unknown_field(TWO.SerializeToString()), end(2)),
    ),
    bad(
        "record-unknown-field",
        "unknown-field",
        "An unknown field deep in a record.",
        payload(
            ACK, Frame(records=block(Record.FromString(unknown_field(request().SerializeToString()))).records), end(1)
        ),
    ),
    bad(
        "frame-field-twice",
        "non-canonical",
        "End counts its records twice.",
        payload(ACK, TWO, b"\x22\x04\x08\x02\x08\x02"),
    ),
    bad("no-acknowledgements", "frame-order", "Records come first.", payload(TWO, end(2))),
    bad("acknowledgements-twice", "frame-order", "Acknowledgements again.", payload(ACK, ACK, end(0))),
    bad("frame-empty", "frame-order", "A frame that holds nothing.", payload(ACK, b"", end(0))),
    bad(
        "acknowledgements-rule",
        "malformed-frame",
        "A running digest of 31 bytes.",
        payload(Frame(acknowledgements=Acknowledgements(running_digest=bytes(31))), end(0)),
    ),
]

RECORDS = [
    bad(
        "block-empty",
        "malformed-record",
        "A block without records.",
        payload(ACK, Frame(records=block().records), end(0)),
    ),
    bad(
        "block-too-many",
        "limit-exceeded",
        "129 records in a block.",
        payload(ACK, block(*(request(n) for n in range(1, 130))), end(129)),
    ),
    bad(
        "record-of-other-kind",
        "malformed-record",
        "An answer among requests.",
        payload(ACK, block(response(b"{}")), end(1)),
    ),
    bad("record-empty", "malformed-record", "A record that holds nothing.", payload(ACK, block(Record()), end(1))),
    bad(
        "chunk-without-record",
        "chunk-order",
        "A piece of an answer among requests.",
        payload(ACK, TWO, chunk(b"x", 0), end(2, 1)),
    ),
]


STATE = Record(table_state=TableState(revision=9, row_count=1, table_digest=bytes(32)))
PROFILE_TYPES, SETTINGS = networks.BUNDLE_KIND_PROFILE_TYPES, networks.BUNDLE_KIND_SETTINGS


def replicated(kind: int, name: str, defect: str, comment: str, *records: Record, minor: int = 2) -> Vector:
    """A replication bundle of a schema whose state is followed by these records."""
    changes = to_request_network(kind, schema_minor=minor)
    plain = craft.framed(ACK, block(STATE, *records), end(1 + len(records)))
    return bad(
        name,
        defect,
        comment,
        lambda: Craft(header=craft.header(**changes), payload=plain, signer="response").build(),
        "request",
    )


REPLICATED = [
    replicated(
        networks.BUNDLE_KIND_USERS,
        "user-in-schema-1-1",
        "unknown-field",
        "The header says schema 1.1; the user holds fields of 1.2.",
        Record(user=inheriting_user()),
        minor=1,
    ),
    replicated(
        PROFILE_TYPES,
        "profile-type-in-schema-1-0",
        "unknown-field",
        "The header says schema 1.0, which has no profile types.",
        Record(profile_type=premium()),
        minor=0,
    ),
    replicated(
        PROFILE_TYPES,
        "profile-type-too-many-indices",
        "malformed-record",
        "A profile type with 1,001 indices.",
        Record(profile_type=premium(indices=[f"i{n:04}" for n in range(1001)])),
    ),
    replicated(
        PROFILE_TYPES,
        "profile-type-unordered",
        "malformed-record",
        "The indices of a profile type are not in ascending order.",
        Record(profile_type=premium(indices=["flights", "cities"])),
    ),
    replicated(
        PROFILE_TYPES,
        "profile-type-without-rates",
        "malformed-record",
        "A profile type that lets no call through.",
        Record(profile_type=ProfileType(name="none", priority=1, max_result_bytes=1, revision=1)),
    ),
    replicated(
        SETTINGS,
        "setting-without-value",
        "malformed-record",
        "A setting that has no value and was not put back.",
        Record(setting=Setting(key="query.max_depth", revision=1)),
    ),
    replicated(
        SETTINGS,
        "setting-after-index",
        "frame-order",
        "A setting stands behind an index.",
        Record(index=Index(name="cities", revision=1)),
        Record(setting=Setting(key="query.max_depth", int_value=1, revision=2)),
    ),
]


ANSWERS = [
    answers(
        "chunk-gap",
        "chunk-order",
        "A gap between two pieces.",
        block(response(b"abcdef", 2)),
        chunk(b"ef", 4),
        end(1, 1),
    ),
    answers(
        "chunk-of-other",
        "chunk-order",
        "A piece of another answer.",
        block(response(b"abcd", 2)),
        chunk(b"cd", 2, b"x" * 16),
        end(1, 1),
    ),
    answers(
        "chunk-beyond",
        "chunk-order",
        "More than the record announced.",
        block(response(b"abcd", 2)),
        chunk(b"cde", 2),
        end(1, 1),
    ),
    answers("chunk-missing", "chunk-order", "The last piece is missing.", block(response(b"abcd", 2)), end(1)),
    answers(
        "chunk-late",
        "chunk-order",
        "Another record stands before the piece.",
        block(response(b"abcd", 2), response(b"{}")),
        chunk(b"cd", 2),
        end(2, 1),
    ),
    answers(
        "answer-hash",
        "chunk-order",
        "Another answer than the record announced.",
        block(response(b"abcd", 2)),
        chunk(b"cD", 2),
        end(1, 1),
    ),
    answers(
        "answer-too-long",
        "malformed-record",
        "32 MiB and one byte are announced.",
        block(response(b"ab", 2, total_length=(32 << 20) + 1)),
        end(1),
    ),
    answers(
        "failed-without-reason",
        "malformed-record",
        "FAILED without a reason.",
        block(response(b"", outcome=OUTCOME_FAILED)),
        end(1),
    ),
]
