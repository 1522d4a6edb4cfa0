"""Batches as the protos of operations and transfer show them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from airlock.common.v1 import network_pb2
from airlock.ops.v1 import batches_pb2 as pb
from airlock.ops.v1 import import_report_pb2, streams_pb2

from common.handlers.times import timestamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.batches.batch_rows import ExportBatchRow, ImportBatchRow
    from common.batches.overview import StreamBundleRow, StreamsView
    from transfer.custody.state import Disposition


_MOST: Final = 2**32 - 1


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
        disposition=_disposition(row.disposition),
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


def streams(network: network_pb2.Network.ValueType, view: StreamsView) -> streams_pb2.GetStreamsResponse:
    """Both streams of this network."""
    outgoing, incoming = view.outgoing, view.incoming
    return streams_pb2.GetStreamsResponse(
        network=network,
        outgoing=streams_pb2.OutgoingStream(
            epoch=outgoing.epoch,
            last_sequence=outgoing.last_sequence,
            acknowledged_up_to=outgoing.acknowledged_up_to,
            in_flight=outgoing.in_flight,
            in_flight_bytes=outgoing.in_flight_bytes,
            oldest_in_flight_at=timestamp(outgoing.oldest_in_flight_at),
            last_acknowledged_at=timestamp(outgoing.last_acknowledged_at),
            alarm=outgoing.alarm,
            proven_missing=outgoing.proven_missing,
            suspected_missing=outgoing.suspected_missing,
            refused=outgoing.refused,
            media=[streams_pb2.MediumLoad(name=name, bundles=load) for name, load in outgoing.media.items()],
            on_no_medium=outgoing.on_no_medium,
        ),
        incoming=streams_pb2.IncomingStream(
            epoch=incoming.epoch,
            cumulative=incoming.cumulative,
            highest_seen=incoming.highest_seen,
            missing=incoming.missing,
            missing_count=min(incoming.missing_count, _MOST),
            refused_count=incoming.refused_count,
            quarantined_files=incoming.quarantined_files,
            last_received_at=timestamp(incoming.last_received_at),
            alarm=incoming.alarm,
            waiting_epoch=incoming.waiting_epoch,
        ),
    )


def stream_bundle(row: StreamBundleRow, media: Sequence[str]) -> streams_pb2.StreamBundle:
    """A numbered bundle of either stream."""
    return streams_pb2.StreamBundle(
        sequence=row.sequence,
        kind=row.kind if row.kind is not None else network_pb2.BUNDLE_KIND_UNSPECIFIED,
        disposition=_disposition(row.disposition),
        batch_id=str(row.batch_id) if row.batch_id is not None else "",
        filename=row.filename,
        size_bytes=row.size_bytes,
        digest=row.digest.hex() if row.digest is not None else "",
        refused_reason=row.refused_reason,
        recorded_at=timestamp(row.recorded_at),
        acknowledged_at=timestamp(row.acknowledged_at),
        media=media,
    )


def import_report(row: ImportBatchRow) -> import_report_pb2.ImportReport:
    """What was checked when a bundle came in. Imports of an earlier version left no report."""
    report = row.report or {}
    brought_at = report.get("brought_at")
    return import_report_pb2.ImportReport(
        batch=import_batch(row),
        checks=[import_report_pb2.ImportCheck(**check) for check in report.get("checks", ())],
        brought_by=report.get("brought_by", ""),
        medium=report.get("medium", ""),
        brought_at=timestamp(datetime.fromisoformat(brought_at)) if brought_at else None,
        imported_by=report.get("imported_by", ""),
        signer_key_id=report.get("signer", ""),
        key_version=report.get("key_version", ""),
        counts=dict(row.counts),
    )


def _disposition(disposition: Disposition) -> pb.Disposition.ValueType:
    return pb.Disposition.Value(f"DISPOSITION_{disposition.upper()}")


def _status(name: str) -> pb.BatchStatus.ValueType:
    return pb.BatchStatus.Value(f"BATCH_STATUS_{name.upper()}")
