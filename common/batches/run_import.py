"""An import from beginning to end: every file of the inbox is applied, put away, set aside or left for later."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError

from common.batches.apply_bundle import Imported, apply_bundle
from common.batches.forgotten import bring_back_forgotten
from common.batches.refuse_bundle import refuse_bundle
from common.batches.reports import ImportReport, LeftFile
from common.batches.signing_keys import trusted
from common.batches.steps import Step
from common.database.exclusive import exclusively
from transfer.bundle.header import filename_of
from transfer.bundle.reader import verify_file
from transfer.errors import BundleError, SpoolError, as_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airlock.common.v1.network_pb2 import BundleKind
    from sqlalchemy.exc import DBAPIError

    from common.batches.batch_rows import ImportBatchRow
    from common.batches.context import BatchContext
    from common.batches.ports import ExportSource, SinkFactory
    from transfer.bundle.keyring import TrustedKeys
    from transfer.bundle.reader import VerifiedBundle
    from transfer.errors import TransferError
    from transfer.spool.inbox import InboxFile, StagedFile

log = structlog.get_logger("common.batches")


async def run_imports(
    context: BatchContext,
    *,
    sinks: Mapping[BundleKind.ValueType, SinkFactory],
    sources: Mapping[BundleKind.ValueType, ExportSource],
    wait: bool = False,
) -> ImportReport:
    """Imports every whole file of the inbox, of whatever kind, in the order of their numbers as far as they are here.

    May run twice and die anywhere. One file never stops the others: a bad one goes to quarantine, and one that fails
    for another reason stays for the next scan. With `wait` a scan that is under way is waited for, else this one is
    skipped. `sources` are this network's own, which learn what was acknowledged.
    """
    began = time.monotonic()
    async with exclusively(context.database, "imports", wait=wait) as alone:
        report = await _Scan(context, sinks, sources).run() if alone else ImportReport(skipped=True)
    if report.batches or report.left:
        duration = round((time.monotonic() - began) * 1000)
        log.info("import_run", summary=report.summary, duration_ms=duration, **report.counts)
    context.measure(report)
    return report


class _Scan:
    """One look through the inbox."""

    def __init__(
        self,
        context: BatchContext,
        sinks: Mapping[BundleKind.ValueType, SinkFactory],
        sources: Mapping[BundleKind.ValueType, ExportSource],
    ) -> None:
        self._context = context
        self._sinks = sinks
        self._sources = sources
        self._done: list[ImportBatchRow] = []
        self._left: list[LeftFile] = []
        self._waiting = 0

    async def run(self) -> ImportReport:
        """Goes through the files."""
        await asyncio.to_thread(self._context.inbox.require_folder)
        await bring_back_forgotten(self._context)
        for file in await asyncio.to_thread(self._context.inbox.scan):
            try:
                await self._take(file)
            except (OperationalError, InterfaceError) as error:
                if _is_away(error):
                    self._leave(file, "the database does not answer", error)
                    # Neither would it for the others.
                    break
                self._leave(file, "the database refused a statement; see the log", error)
            except SpoolError as error:
                self._leave(file, str(error), error)
            except Exception as error:  # noqa: BLE001 - one file never stops the others.
                self._leave(file, f"{type(error).__name__}; see the log", error)
        return ImportReport(batches=tuple(self._done), waiting=self._waiting, left=tuple(self._left))

    async def _take(self, file: InboxFile) -> None:
        if file.whole:
            await self._import(file)
        elif isinstance(file.error, SpoolError):
            self._leave(file, str(file.error), file.error)
        elif file.settled and file.error is not None:
            row = await refuse_bundle(self._context, file.path, file.error, None, size=file.size)
            await self._set_aside(file, file.error, row)
        else:
            self._waiting += 1

    async def _import(self, file: InboxFile) -> None:
        inbox = self._context.inbox
        staged = await asyncio.to_thread(inbox.stage, file)
        try:
            await self._import_or_refuse(staged)
        except (Exception, asyncio.CancelledError):
            await asyncio.to_thread(inbox.discard, staged)
            raise

    async def _import_or_refuse(self, staged: StagedFile) -> None:
        file = staged.source
        try:
            await self._import_staged(staged)
        except BundleError as error:
            row = await refuse_bundle(
                self._context,
                file.path,
                error,
                staged.hashed,
                size=file.size,
                brought=self._context.inbox.brought.find(staged.hashed.checksum, staged.source.path.name),
            )
            await self._set_aside(staged, error, row)

    async def _import_staged(self, staged: StagedFile) -> None:
        context = self._context
        async with context.database.transaction() as transaction:
            trusted_keys = await trusted(transaction.connection, context.keys())
        bundle = await asyncio.to_thread(self._verify, staged, trusted_keys)
        context.steps(Step.STAGE)
        brought = context.inbox.brought.find(bundle.checksum, staged.source.path.name)
        imported = await apply_bundle(context, self._sources, self._sinks, bundle, staged.source.path, brought)
        context.steps(Step.COMMIT)
        await self._put_away(staged, bundle, imported)

    def _verify(self, staged: StagedFile, trusted_keys: TrustedKeys) -> VerifiedBundle:
        return verify_file(
            staged.path,
            trusted_keys,
            expected_source=self._context.peer,
            expected_destination=self._context.network,
            hashed=staged.hashed,
        )

    async def _put_away(self, staged: StagedFile, bundle: VerifiedBundle, imported: Imported) -> None:
        if imported.quarantined_for is not None:
            await self._set_aside(staged, imported.quarantined_for, imported.row)
            return
        self._done.append(imported.row)
        await asyncio.to_thread(self._context.inbox.archive, staged, filename_of(bundle.header))
        self._context.steps(Step.ARCHIVE)

    async def _set_aside(self, file: InboxFile | StagedFile, error: TransferError, row: ImportBatchRow) -> None:
        self._done.append(row)
        details: dict[str, str | int] = {"import_batch": str(row.id)}
        if row.epoch is not None and row.sequence is not None:
            details |= {"epoch": row.epoch, "sequence": row.sequence}
        await asyncio.to_thread(self._context.inbox.quarantine, file, error, details)

    def _leave(self, file: InboxFile, cause: str, error: Exception) -> None:
        filename = as_text(file.path.name)
        log.error("import_left", file=filename, cause=cause, exc_info=error)
        self._left.append(LeftFile(filename=filename, cause=cause))


def _is_away(error: DBAPIError) -> bool:
    """Whether the server is gone or has no room, rather than having refused one statement.

    Source: https://www.postgresql.org/docs/current/errcodes-appendix.html, classes 08, 53 and 57P; a connection that
    was never made has no code.
    """
    code: str | None = getattr(error.orig, "sqlstate", None)
    return code is None or code.startswith(("08", "53", "57P"))
