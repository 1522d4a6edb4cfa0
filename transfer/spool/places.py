"""Telling an outbox, an inbox and a medium apart, so that no bundle goes where it would be lost from sight."""

from __future__ import annotations

from typing import TYPE_CHECKING

from transfer.errors import MediumError, SpoolError, spool_error
from transfer.spool.inbox import ARCHIVE, QUARANTINE
from transfer.spool.outbox import ACKNOWLEDGED, VOIDED

if TYPE_CHECKING:
    from pathlib import Path

_OUTBOX = (ACKNOWLEDGED, VOIDED)
_INBOX = (ARCHIVE, QUARANTINE)
_MADE = "`migrate` of the service makes its folders; if they are on a disk of their own, mount it."


def require_outbox(folder: Path) -> None:
    """Raises SpoolError unless this is a folder that a service puts its bundles into."""
    _require_readable(folder)
    if not _has(folder, _OUTBOX):
        what = "an inbox" if _has(folder, _INBOX) else "no outbox"
        msg = f"{folder} is {what}, from which nothing is taken."
        raise SpoolError(msg, next_step=f"Name the folder in which the service puts its bundles, EXPORT_DIR. {_MADE}")


def require_inbox(folder: Path) -> None:
    """Raises SpoolError unless this is a folder in which a service looks for bundles."""
    _require_readable(folder)
    if not _has(folder, _INBOX):
        what = "an outbox" if _has(folder, _OUTBOX) else "no inbox"
        msg = f"{folder} is {what}, into which nothing is delivered."
        raise SpoolError(msg, next_step=f"Name the folder in which the service looks for bundles, IMPORT_DIR. {_MADE}")


def refuse_nesting(spool: Path, medium: Path) -> None:
    """A medium inside a spool, around it, or that is one would carry a network's own files. Raises MediumError."""
    here, there = spool.resolve(), medium.resolve()
    if here == there or here in there.parents or there in here.parents:
        msg = f"The medium {medium} and the folder {spool} are the same, or one lies in the other."
        raise MediumError(msg, next_step="Name the folder where the medium is mounted.")
    if _has(medium, _OUTBOX) or _has(medium, _INBOX):
        msg = f"{medium} is a network's outbox or inbox and not a medium."
        raise MediumError(msg, next_step="Name the folder where the medium is mounted.")


def _require_readable(folder: Path) -> None:
    try:
        next(folder.iterdir(), None)
    except OSError as error:
        raise spool_error("Opening", folder, error) from error


def _has(folder: Path, names: tuple[str, ...]) -> bool:
    return all((folder / name).is_dir() for name in names)
