"""Which keys the bundles in a network's folders need, so that none is destroyed or exchanged too early."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import TYPE_CHECKING

from transfer.bundle.peek import peek
from transfer.errors import TransferError
from transfer.spool.inbox import Inbox
from transfer.spool.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from transfer.bundle.peek import PeekedEnds


def versions_needed(export_dir: Path | None, import_dir: Path | None) -> Counter[str]:
    """How many bundles under each key version wait in the outbox, the inbox or quarantine."""
    needed: Counter[str] = Counter()
    if export_dir is not None:
        needed.update(_versions(file.ends for file in Outbox(export_dir).waiting()))
    if import_dir is not None:
        inbox = Inbox(import_dir)
        paths = [*inbox.paths(), *(file.path for file in inbox.quarantine_folder.files())]
        needed.update(_versions(map(_ends, paths)))
    return needed


def is_signed_with(export_dir: Path, key_id: bytes) -> bool:
    """Whether a bundle of this outbox, waiting or acknowledged, bears that key's signature."""
    outbox = Outbox(export_dir)
    return any(
        file.ends is not None and key_id in file.ends.signers for file in (*outbox.waiting(), *outbox.acknowledged())
    )


def still_signed_with(export_dir: Path, key_id: bytes) -> int:
    """How many bundles that wait in this outbox bear that key's signature."""
    return sum(file.ends is not None and key_id in file.ends.signers for file in Outbox(export_dir).waiting())


def _versions(every: Iterator[PeekedEnds | None]) -> Iterator[str]:
    for ends in every:
        # What is no bundle needs no key.
        with contextlib.suppress(TransferError):
            if ends is not None:
                yield ends.header.key_version


def _ends(path: Path) -> PeekedEnds | None:
    try:
        return peek(path)
    except TransferError:
        return None
