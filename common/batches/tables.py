"""The tables of batches and streams, the same on both networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from common.database.metadata import shared_metadata
from transfer.bundle.names import KINDS, kind_name
from transfer.custody.state import Disposition

if TYPE_CHECKING:
    from collections.abc import Iterable

KIND_NAMES = tuple(kind_name(kind) for kind in KINDS)
# An import whose header could not be trusted.
UNKNOWN_KIND = "unknown"

OUTGOING = "outgoing"
INCOMING = "incoming"


def _one_of(column: str, values: Iterable[str]) -> str:
    return f"{column} IN ({', '.join(repr(str(value)) for value in values)})"


def _now(name: str) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=False, server_default=text("CURRENT_TIMESTAMP"))


export_batches = Table(
    "export_batches",
    shared_metadata,
    Column("id", Uuid, primary_key=True, server_default=text("gen_random_uuid()")),
    Column("batch_type", String(50), nullable=False),
    Column("filename", String(255), nullable=False),
    Column("file_path", String(500), nullable=False),
    Column("file_size_bytes", BigInteger),
    Column("record_count", Integer, nullable=False, server_default=text("0")),
    # SHA-256 of the whole file, in hexadecimal, as `sha256sum` prints it.
    Column("checksum", String(64)),
    Column("encrypted", Boolean, nullable=False, server_default=text("true")),
    Column("status", String(50), nullable=False, server_default=text("'pending'")),
    _now("created_at"),
    Column("completed_at", DateTime(timezone=True)),
    # Why the last attempt to seal failed, and what to do.
    Column("error_message", Text),
    Column("metadata", JSONB),
    Column("epoch", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    # The digest in the file's trailer.
    Column("digest", LargeBinary),
    # The serialised Acknowledgements that the file begins with, as they stood when the number was given.
    Column("first_frame", LargeBinary, nullable=False),
    # The lowest schema minor that has all that the records may hold.
    Column("schema_minor", Integer, nullable=False, server_default=text("0")),
    Column("payload_bytes", BigInteger),
    CheckConstraint(_one_of("batch_type", KIND_NAMES), name="batch_type"),
    CheckConstraint(_one_of("status", ("pending", "processing", "completed", "failed")), name="status"),
    CheckConstraint("octet_length(digest) = 32", name="digest"),
    CheckConstraint("epoch > 0 AND sequence > 0", name="number"),
    UniqueConstraint("epoch", "sequence"),
    Index("idx_batches_type", "batch_type"),
    Index("idx_batches_status", "status"),
    Index("idx_batches_created", text("created_at DESC"), text("id DESC")),
    Index("idx_batches_processing", "batch_type", postgresql_where=text("status = 'processing'")),
)

import_batches = Table(
    "import_batches",
    shared_metadata,
    Column("id", Uuid, primary_key=True, server_default=text("gen_random_uuid()")),
    Column("batch_type", String(50), nullable=False),
    Column("filename", String(255), nullable=False),
    Column("file_path", String(500), nullable=False),
    Column("file_size_bytes", BigInteger),
    Column("record_count", Integer, nullable=False, server_default=text("0")),
    Column("checksum", String(64)),
    # The sender's export batch; absent when the header could not be trusted, like epoch and sequence.
    Column("source_batch_id", Uuid),
    Column("status", String(50), nullable=False, server_default=text("'pending'")),
    _now("created_at"),
    Column("processed_at", DateTime(timezone=True)),
    Column("error_message", Text),
    # What the records did, in numbers.
    Column("metadata", JSONB),
    # What was checked, by whom it was brought and from which medium.
    Column("report", JSONB),
    Column("epoch", BigInteger),
    Column("sequence", BigInteger),
    Column("digest", LargeBinary),
    Column("payload_bytes", BigInteger),
    # The slug of what was wrong with a refused one.
    Column("defect", String(64)),
    CheckConstraint(_one_of("batch_type", (*KIND_NAMES, UNKNOWN_KIND)), name="batch_type"),
    CheckConstraint(_one_of("status", ("pending", "processing", "completed", "failed", "duplicate")), name="status"),
    Index("idx_import_batches_status", "status"),
    Index("idx_import_batches_created", text("created_at DESC"), text("id DESC")),
    Index("idx_import_batches_checksum", "checksum"),
    Index("idx_import_batches_number", "epoch", "sequence"),
    Index("idx_import_batches_source_batch", "source_batch_id"),
)

streams = Table(
    "streams",
    shared_metadata,
    # Two rows: what this network sends, and what it receives. Both are locked together, in this column's order.
    Column("direction", String(16), primary_key=True),
    # The Unix second in which the epoch was declared; 0 before the first one. Both rows have the same.
    Column("epoch", BigInteger, nullable=False, server_default=text("0")),
    # Outgoing: the last number given. Incoming: the highest seen, and its digest.
    Column("last_sequence", BigInteger, nullable=False, server_default=text("0")),
    Column("last_digest", LargeBinary, nullable=False, server_default=text("''::bytea")),
    # Outgoing: every number up to this one is acknowledged. Incoming: is applied or voided. With the running digest.
    Column("cumulative", BigInteger, nullable=False, server_default=text("0")),
    Column("running_digest", LargeBinary, nullable=False, server_default=text(r"decode(repeat('00', 32), 'hex')")),
    # Outgoing: the incoming bundle whose acknowledgements were used last, and those acknowledgements.
    Column("used_epoch", BigInteger, nullable=False, server_default=text("0")),
    Column("used_sequence", BigInteger, nullable=False, server_default=text("0")),
    Column("peer_state", LargeBinary),
    # Outgoing: the newest schema and the key versions that the other network said last that it reads; for all epochs.
    Column("peer_minor", Integer, nullable=False, server_default=text("0")),
    Column("peer_key_versions", ARRAY(String(32)), nullable=False, server_default=text("'{}'")),
    # Incoming: replicated kinds of which this network needs the whole table again.
    Column("snapshots_wanted", ARRAY(String(50)), nullable=False, server_default=text("'{}'")),
    # Outgoing: since when there is something to acknowledge that no bundle carries yet.
    Column("news_since", DateTime(timezone=True)),
    # Outgoing: when something was acknowledged last. Incoming: when a bundle was received last.
    Column("last_moved_at", DateTime(timezone=True)),
    # Outgoing: why exports stand still. Incoming: a fork that was seen.
    Column("alarm", Text),
    Column("alarm_since", DateTime(timezone=True)),
    CheckConstraint(_one_of("direction", (OUTGOING, INCOMING)), name="direction"),
    CheckConstraint("octet_length(running_digest) = 32", name="running_digest"),
    CheckConstraint("cumulative <= last_sequence", name="cumulative"),
)

stream_bundles = Table(
    "stream_bundles",
    shared_metadata,
    Column("direction", String(16), primary_key=True),
    Column("epoch", BigInteger, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    # Absent while an outgoing number is claimed and not sealed.
    Column("digest", LargeBinary),
    Column("disposition", String(16), nullable=False),
    Column("kind", String(50)),
    # Our export or import batch.
    Column("batch_id", Uuid),
    # Outgoing, once sealed: of the file. Here as well as with the batch, so that what is in flight is summed at once.
    Column("size_bytes", BigInteger),
    # Outgoing: the other network's reason. Incoming: ours.
    Column("refused_reason", String(64)),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    Column("acknowledged_at", DateTime(timezone=True)),
    CheckConstraint(_one_of("direction", (OUTGOING, INCOMING)), name="direction"),
    CheckConstraint(_one_of("disposition", Disposition), name="disposition"),
    CheckConstraint("octet_length(digest) = 32", name="digest"),
    CheckConstraint("digest IS NOT NULL OR disposition IN ('claimed', 'retired')", name="sealed"),
    Index("ix_stream_bundles_batch_id", "batch_id"),
    Index(
        "ix_stream_bundles_unacknowledged",
        "epoch",
        "sequence",
        postgresql_where=text("direction = 'outgoing' AND acknowledged_at IS NULL"),
    ),
    Index("ix_stream_bundles_refused", "epoch", "sequence", postgresql_where=text("disposition = 'refused'")),
)

own_signing_keys = Table(
    "own_signing_keys",
    shared_metadata,
    # Of this network's signing keys that were announced to the other one.
    Column("key_id", LargeBinary, primary_key=True),
    Column("public_key", LargeBinary, nullable=False),
    # Every bundle of this epoch from this number on announces it, until it is confirmed.
    Column("announced_epoch", BigInteger, nullable=False),
    Column("announced_from", BigInteger, nullable=False),
    Column("announced_at", DateTime(timezone=True), nullable=False),
    # The other network has applied a bundle that announced it: bundles may be signed with it.
    Column("acknowledged_at", DateTime(timezone=True)),
    CheckConstraint("octet_length(key_id) = 32", name="key_id"),
)

peer_signing_keys = Table(
    "peer_signing_keys",
    shared_metadata,
    # Of the other network's signing keys that it announced itself, or that were revoked here.
    Column("key_id", LargeBinary, primary_key=True),
    # Absent for a key of PEER_SIGNING_KEYS_FILE that was revoked.
    Column("public_key", LargeBinary),
    Column("learned_epoch", BigInteger),
    Column("learned_sequence", BigInteger),
    # The key that signed the bundle which announced this one.
    Column("introduced_by", LargeBinary),
    Column("since", DateTime(timezone=True), nullable=False),
    Column("revoked_at", DateTime(timezone=True)),
    CheckConstraint("octet_length(key_id) = 32", name="key_id"),
    CheckConstraint("octet_length(public_key) = 32", name="public_key"),
    CheckConstraint("public_key IS NOT NULL OR revoked_at IS NOT NULL", name="known"),
)

parked_records = Table(
    "parked_records",
    shared_metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("import_batch_id", Uuid, nullable=False),
    Column("kind", String(50), nullable=False),
    # What the record is about, if it names something.
    Column("record_id", Uuid),
    Column("reason", String(64), nullable=False),
    # The serialised Record, without the chunks of a long answer.
    Column("record", LargeBinary, nullable=False),
    _now("parked_at"),
    CheckConstraint(_one_of("kind", KIND_NAMES), name="kind"),
    CheckConstraint("octet_length(record) <= 1048576", name="record"),
    Index("ix_parked_records_record_id", "record_id"),
    Index("ix_parked_records_parked_at", text("parked_at DESC")),
)
