"""What each network remembers of the two streams, as values; the tables that hold it are elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from transfer.custody.digests import NOTHING


class Disposition(StrEnum):
    """What became of a numbered bundle."""

    # Outgoing: rows are claimed under the number, and there is no durable file yet.
    CLAIMED = "claimed"
    # Outgoing: a durable file exists, and the other network has not said that it holds it.
    SEALED = "sealed"
    # Outgoing: the other network holds it, committed.
    ACKNOWLEDGED = "acknowledged"
    # Given up by its sender, on either side.
    VOIDED = "voided"
    # Incoming: its records are committed here.
    APPLIED = "applied"
    # Incoming: signed by the other network, and not usable here; it can still be applied later.
    REFUSED = "refused"
    # Outgoing: of an epoch that has ended.
    RETIRED = "retired"


@dataclass(frozen=True, slots=True, order=True)
class BundleNumber:
    """A place in a stream. A later epoch is higher, whatever the sequence."""

    epoch: int
    sequence: int

    def __str__(self) -> str:
        return f"{self.sequence} of epoch {self.epoch}"


@dataclass(frozen=True, slots=True)
class HeldBundle:
    """A number of the incoming stream that has an outcome: APPLIED, VOIDED or REFUSED."""

    sequence: int
    digest: bytes
    disposition: Disposition
    refused_reason: str = ""

    @property
    def settled(self) -> bool:
        """Applied or voided: counted by the cumulative number. A refused one is not."""
        return self.disposition in {Disposition.APPLIED, Disposition.VOIDED}


@dataclass(frozen=True, slots=True)
class IncomingState:
    """Where the stream from the other network stands. Epoch 0: nothing was ever declared or received."""

    epoch: int = 0
    # Every number up to and including this one is applied or voided, and the running digest over them.
    cumulative: int = 0
    running_digest: bytes = NOTHING
    highest_seen: int = 0
    highest_digest: bytes = b""


@dataclass(frozen=True, slots=True)
class SentBundle:
    """A number of the outgoing stream. `digest` is absent until the file is sealed."""

    sequence: int
    digest: bytes | None
    disposition: Disposition


@dataclass(frozen=True, slots=True)
class OutgoingState:
    """Where the stream to the other network stands. Epoch 0: there is none yet, and nothing may be sent."""

    epoch: int = 0
    last_sequence: int = 0
    # Every number up to and including this one is held by the other network, and the running digest over them.
    cumulative: int = 0
    running_digest: bytes = NOTHING
    # The number of the incoming bundle whose acknowledgements were used last.
    last_used: BundleNumber = BundleNumber(0, 0)
    # Why exports stand still; empty when they do not.
    alarm: str = ""
