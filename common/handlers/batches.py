"""Batches as the protos of operations and transfer show them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airlock.common.v1 import network_pb2
from airlock.ops.v1 import ops_service_pb2 as pb

from common.handlers.times import timestamp

if TYPE_CHECKING:
    from common.batches.batch_rows import ExportBatchRow, ImportBatchRow
    from common.batches.stores import StreamsView


def export_batch(row: ExportBatchRow) -> pb.ExportBatch:
    """A bundle made here."""
    return pb.ExportBatch(
        id=str(row.id),
        kind=row.kind,
        filename=row.filename,
        file_size_bytes=row.file_size_bytes or 0,
        record_count=row.record_count,
        checksum=row.checksum or "",
        status=_status(row.status),
        epoch=row.epoch,
        sequence=row.sequence,
        disposition=pb.Disposition.Value(f"DISPOSITION_{row.disposition.upper()}"),
        created_at=timestamp(row.created_at),
        completed_at=timestamp(row.completed_at),
        acknowledged_at=timestamp(row.acknowledged_at),
        error_message=row.error_message or (f"refused there: {row.refused_reason}" if row.refused_reason else ""),
    )


def import_batch(row: ImportBatchRow) -> pb.ImportBatch:
    """A bundle that came in."""
    return pb.ImportBatch(
        id=str(row.id),
        kind=row.kind if row.kind is not None else network_pb2.BUNDLE_KIND_UNSPECIFIED,
        filename=row.filename,
        file_size_bytes=row.file_size_bytes or 0,
        record_count=row.record_count,
        checksum=row.checksum or "",
        status=_status(row.status),
        source_batch_id=str(row.source_batch_id) if row.source_batch_id is not None else "",
        epoch=row.epoch or 0,
        sequence=row.sequence or 0,
        created_at=timestamp(row.created_at),
        processed_at=timestamp(row.processed_at),
        error_message=row.error_message or "",
        defect=row.defect or "",
    )


def streams(network: network_pb2.Network.ValueType, view: StreamsView) -> pb.GetStreamsResponse:
    """Both streams of this network."""
    outgoing, incoming = view.outgoing, view.incoming
    return pb.GetStreamsResponse(
        network=network,
        outgoing=pb.OutgoingStream(
            epoch=outgoing.epoch,
            last_sequence=outgoing.last_sequence,
            acknowledged_up_to=outgoing.acknowledged_up_to,
            in_flight=outgoing.in_flight,
            oldest_in_flight_at=timestamp(outgoing.oldest_in_flight_at),
            last_acknowledged_at=timestamp(outgoing.last_acknowledged_at),
            alarm=outgoing.alarm,
        ),
        incoming=pb.IncomingStream(
            epoch=incoming.epoch,
            cumulative=incoming.cumulative,
            highest_seen=incoming.highest_seen,
            missing=incoming.missing,
            missing_count=incoming.missing_count,
            refused_count=incoming.refused_count,
            quarantined_files=incoming.quarantined_files,
            last_received_at=timestamp(incoming.last_received_at),
        ),
    )


def _status(name: str) -> pb.BatchStatus.ValueType:
    return pb.BatchStatus.Value(f"BATCH_STATUS_{name.upper()}")
