"""An export from beginning to end: what was left unfinished, the folders, every waiting row, a due status bundle."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import structlog
from airlock.common.v1 import network_pb2
from sqlalchemy import update
from sqlalchemy.exc import SQLAlchemyError

from common.batches.batch_rows import export_row, select_exports
from common.batches.claim import claim, require_running
from common.batches.confirm import adopt, confirm
from common.batches.match_folders import match_folders
from common.batches.reports import ExportReport
from common.batches.seal import ClaimedBatch, claimed_batch, seal, select_processing
from common.batches.status_source import StatusSource
from common.batches.steps import Step
from common.batches.stream_rows import declare_first_epoch, lock_streams, note_news, read_streams
from common.batches.tables import export_batches
from common.database.exclusive import exclusively
from common.errors import UnavailableError
from transfer.bundle.names import kind_name
from transfer.errors import SpoolError, TransferError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    from common.batches.context import BatchContext
    from common.batches.ports import ExportSource
    from common.batches.stream_rows import Streams

log = structlog.get_logger("common.batches")


async def run_export(context: BatchContext, source: ExportSource, *, wait: bool = False) -> ExportReport:
    """Seals bundles of one kind until nothing is left to claim, then a status bundle if one is due.

    May run twice and die anywhere: what a run claimed and did not seal, the next one seals. With `wait` a run that is
    under way is waited for, otherwise this one is skipped. Raises StreamStoppedError while an alarm stands, and
    UnavailableError, naming cause and next step, when a file cannot be written; the batch waits for the next run.
    """
    return await _run(context, source, wait=wait, status_is_due=_due(context))


async def run_status(context: BatchContext, *, force: bool = False, wait: bool = False) -> ExportReport:
    """Seals a status bundle if one is due; with `force`, in any case. Raises as `run_export`."""
    return await _run(context, StatusSource(), wait=wait, status_is_due=_always if force else _due(context))


async def _run(
    context: BatchContext, source: ExportSource, *, wait: bool, status_is_due: Callable[[Streams, datetime], bool]
) -> ExportReport:
    began = time.monotonic()
    streams = await _begin(context)
    if streams.outgoing.epoch == 0:
        report = ExportReport(kind=source.kind, waiting_for_first_bundle=True)
    else:
        require_running(streams)
        run = _Run(context)
        alone = isinstance(source, StatusSource)
        try:
            skipped = not await run.drain(source, wait=wait, worth_a_bundle=status_is_due)
        except UnavailableError:
            # What keeps 64 MiB from being sealed leaves room for acknowledgements, and those free a full disk.
            if not alone:
                with contextlib.suppress(UnavailableError):
                    await run.drain(StatusSource(), wait=False, worth_a_bundle=status_is_due)
            raise
        if not skipped and not alone:
            await run.drain(StatusSource(), wait=False, worth_a_bundle=status_is_due)
        report = await run.report(source, skipped=skipped)
    log.info(
        "export_run",
        kind=kind_name(source.kind),
        summary=report.summary,
        duration_ms=round((time.monotonic() - began) * 1000),
        **report.counts,
    )
    context.measure(report)
    return report


async def _begin(context: BatchContext) -> Streams:
    """The streams; the Response Network declares the first epoch when it is first asked for one."""
    async with context.database.transaction() as transaction:
        streams = await read_streams(transaction.connection)
        if streams.outgoing.epoch == 0 and context.network == network_pb2.NETWORK_RESPONSE:
            await declare_first_epoch(transaction.connection, context.clock())
            streams = await read_streams(transaction.connection)
    return streams


class _Run:
    """Collects what one run does, over the kinds that it exports."""

    def __init__(self, context: BatchContext) -> None:
        self._context = context
        self._sealed: list[UUID] = []
        self._voided = 0

    async def drain(
        self, source: ExportSource, *, wait: bool, worth_a_bundle: Callable[[Streams, datetime], bool]
    ) -> bool:
        """Exports one kind until nothing is left; False if another run of the kind is under way."""
        context = self._context
        async with exclusively(context.database, f"export_{kind_name(source.kind)}", wait=wait) as alone:
            if not alone:
                return False
            for claimed in await self._processing(source):
                # A run that died after publishing left nothing to do but to count the file.
                if not await self._adopt(source, claimed):
                    await self._finish(source, claimed)
            self._voided += await self._match(source)
            status = isinstance(source, StatusSource)
            while (made := await claim(context, source, worth_a_bundle if status else None)) is not None:
                context.steps(Step.FREEZE)
                self._voided += made.voided
                for claimed in await self._processing(source):
                    await self._finish(source, claimed)
                if made.voided:
                    self._voided += await self._match(source)
                if status:
                    break
            return True

    async def _match(self, source: ExportSource) -> int:
        try:
            return await match_folders(self._context, source)
        except SpoolError as error:
            raise UnavailableError(str(error), metadata={"defect": error.defect}) from error

    async def report(self, source: ExportSource, *, skipped: bool) -> ExportReport:
        """What was done."""
        if skipped:
            return ExportReport(kind=source.kind, skipped=True)
        async with self._context.database.transaction() as transaction:
            rows = await transaction.connection.execute(
                select_exports().where(export_batches.c.id.in_(self._sealed)).order_by(export_batches.c.sequence)
            )
        return ExportReport(kind=source.kind, batches=tuple(map(export_row, rows)), voided=self._voided)

    async def _processing(self, source: ExportSource) -> list[ClaimedBatch]:
        mine = export_batches.c.batch_type == kind_name(source.kind)
        async with self._context.database.transaction() as transaction:
            rows = await transaction.connection.execute(select_processing().where(mine))
        return [claimed_batch(row) for row in rows]

    async def _finish(self, source: ExportSource, claimed: ClaimedBatch) -> None:
        """Seals and confirms one batch; notes on it why that failed."""
        try:
            sealed = await seal(self._context, source, claimed)
            if await confirm(self._context, source, claimed, sealed):
                self._sealed.append(claimed.batch.batch_id)
        except TransferError as error:
            await self._note(claimed, str(error))
            msg = f"Bundle {claimed.filename} could not be sealed: {error} Its rows stay claimed for the next run."
            raise UnavailableError(msg, metadata={"defect": error.defect}) from error
        except Exception as error:
            await self._note(claimed, f"{type(error).__name__}: see the log.")
            raise

    async def _adopt(self, source: ExportSource, claimed: ClaimedBatch) -> bool:
        mine = select_processing().where(export_batches.c.id == claimed.batch.batch_id).with_for_update()
        async with self._context.database.transaction() as transaction:
            if (await transaction.connection.execute(mine)).one_or_none() is None:
                return False
            adopted = await adopt(transaction.connection, self._context, source, claimed)
        if adopted:
            self._sealed.append(claimed.batch.batch_id)
        return adopted

    async def _note(self, claimed: ClaimedBatch, cause: str) -> None:
        """Best effort: it is the database that may have failed.

        What the batch was to tell is untold: should it not be sealed for long, a status bundle tells it.
        """
        mine = export_batches.c.id == claimed.batch.batch_id
        noting = update(export_batches).where(mine, export_batches.c.status == "processing")
        with contextlib.suppress(SQLAlchemyError):
            async with self._context.database.transaction() as transaction:
                await lock_streams(transaction.connection)
                await transaction.connection.execute(noting.values(error_message=cause))
                await note_news(transaction.connection, self._context.clock())


def _due(context: BatchContext) -> Callable[[Streams, datetime], bool]:
    def due(streams: Streams, now: datetime) -> bool:
        return streams.news_since is not None and now - streams.news_since >= context.status_after

    return due


def _always(_streams: Streams, _now: datetime) -> bool:
    return True
