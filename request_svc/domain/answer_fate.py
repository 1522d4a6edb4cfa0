"""What becomes of an answer that arrives, given where its request stands. A pure rule; the stores act on it."""

from __future__ import annotations

from enum import StrEnum

from request_svc.domain.status import RequestStatus


class Fate(StrEnum):
    """What becomes of an answer; the values name the counts in logs and batch rows."""

    APPLIED = "applied"
    # There is no such request here: kept for an operator.
    PARKED = "parked"
    # The request has ended by an answer before: dropped.
    REPEATED = "repeated"
    # The request was cancelled: dropped.
    LATE = "late"
    # The other network says that it dropped the cancelled request.
    CONFIRMED = "cancellations_confirmed"


def fate_of(answer: RequestStatus, request: RequestStatus | None) -> Fate:
    """The fate of an answer with the status `answer` to a request in the state `request`, None if it is unknown."""
    if request is None:
        return Fate.PARKED
    if request is RequestStatus.CANCELLED:
        return Fate.CONFIRMED if answer is RequestStatus.CANCELLED else Fate.LATE
    return Fate.REPEATED if request.is_final else Fate.APPLIED
