"""What a run of an export or an import did, for its log line, its job's row and whoever asked for it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from transfer.bundle.names import kind_name

if TYPE_CHECKING:
    from airlock.common.v1.network_pb2 import BundleKind

    from common.batches.batch_rows import ExportBatchRow, ImportBatchRow

# The count, beside those of the sinks, of our own bundles that an imported one acknowledges.
ACKNOWLEDGED: Final = "bundles_acknowledged"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """A run of an export."""

    kind: BundleKind.ValueType
    # Another run held the lock; this one did nothing.
    skipped: bool = False
    # The Request Network has no epoch, and so nothing may be sent, until the first bundle has arrived.
    waiting_for_first_bundle: bool = False
    # The bundles that were sealed, a status bundle among them if one was due.
    batches: tuple[ExportBatchRow, ...] = ()
    # Older bundles that newer ones made superfluous, or whose file was lost.
    voided: int = 0

    @property
    def records(self) -> int:
        """How many records were sealed."""
        return sum(batch.record_count for batch in self.batches)

    @property
    def counts(self) -> dict[str, int]:
        """The run in numbers."""
        return {"bundles": len(self.batches), "records": self.records, "voided": self.voided}

    @property
    def worked(self) -> bool:
        """Whether a bundle was sealed or given up."""
        return bool(self.batches or self.voided)

    @property
    def summary(self) -> str:
        """The run in one line, for people."""
        if self.skipped:
            return "another run of this export is under way"
        if self.waiting_for_first_bundle:
            return "waiting for the first bundle of the other network"
        done = f"sealed {_many(self.records, 'record')} in {_many(len(self.batches), 'bundle')}"
        return f"{done}, gave up {_many(self.voided, 'older bundle')}" if self.voided else done


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftFile:
    """A file that stays in the inbox for the next scan, and why."""

    filename: str
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """A scan of the inbox."""

    skipped: bool = False
    batches: tuple[ImportBatchRow, ...] = ()
    # Files that are not whole yet.
    waiting: int = 0
    # Files that could not be applied for a reason that is not theirs.
    left: tuple[LeftFile, ...] = ()

    @property
    def records(self) -> int:
        """How many records were applied."""
        return sum(batch.record_count for batch in self.batches if batch.status == "completed")

    @property
    def acknowledged(self) -> int:
        """How many of our own bundles were acknowledged by these."""
        return sum(batch.counts.get(ACKNOWLEDGED, 0) for batch in self.batches)

    @property
    def counts(self) -> dict[str, int]:
        """The run in numbers: bundles by status, and what the sinks counted, by kind."""
        by_status = Counter(batch.status for batch in self.batches)
        by_sink = {name.replace(" ", "_"): number for name, number in self._by_sink()}
        own = {"records": self.records, "waiting": self.waiting, "left": len(self.left)}
        return {**own, ACKNOWLEDGED: self.acknowledged, **by_status, **by_sink}

    @property
    def worked(self) -> bool:
        """Whether a bundle was judged. What waits in the inbox, or stays there, is met again at every scan."""
        return bool(self.batches)

    @property
    def summary(self) -> str:
        """The run in one line, for people."""
        if self.skipped:
            return "another scan is under way"
        parts = [f"{status} {_many(number, 'bundle')}" for status, number in self._by_status()]
        parts += [f"{number} {name.replace('_', ' ')}" for name, number in self._by_sink()]
        parts += [f"{_many(self.acknowledged, 'bundle')} of ours acknowledged"] if self.acknowledged else []
        parts += [f"{self.waiting} not whole yet"] if self.waiting else []
        parts += [f"{one.filename} stays in the inbox: {one.cause}" for one in self.left]
        return ", ".join(parts) or "nothing new"

    def _by_status(self) -> list[tuple[str, int]]:
        words = {"completed": "imported", "duplicate": "known already:", "failed": "refused"}
        counted = Counter(batch.status for batch in self.batches)
        return [(words.get(status, status), number) for status, number in sorted(counted.items())]

    def _by_sink(self) -> list[tuple[str, int]]:
        counted: Counter[str] = Counter()
        for batch in self.batches:
            for name, number in batch.counts.items():
                if batch.kind is not None and name != ACKNOWLEDGED:
                    counted[f"{kind_name(batch.kind)} {name}"] += number
        return [(name, number) for name, number in counted.items() if number]


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
