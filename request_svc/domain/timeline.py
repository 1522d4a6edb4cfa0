"""The history of one request, in the order in which it is told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from request_svc.domain.request import Request, Response


class TimelineStep(StrEnum):
    """What can happen to a request, by the names of `airlock.request.v1.TimelineStep`."""

    CREATED = "CREATED"
    SEALED = "SEALED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    EXECUTED = "EXECUTED"
    ANSWER_SEALED = "ANSWER_SEALED"
    RECEIVED = "RECEIVED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """One thing that happened. Steps about a bundle name its batch and its number in the stream."""

    step: TimelineStep
    at: datetime
    batch_id: UUID | None = None
    sequence: int | None = None


def timeline(request: Request, response: Response | None) -> list[TimelineEvent]:
    """Everything that is known to have happened, oldest first.

    Times of EXECUTED and ANSWER_SEALED are by the clock of the Response Network and may seem out of order; the steps of
    one journey keep their order all the same, and a cancellation is put where its time belongs.
    """
    events = [TimelineEvent(TimelineStep.CREATED, request.created_at)]
    if request.exported_at is not None:
        events.append(
            TimelineEvent(TimelineStep.SEALED, request.exported_at, request.export_batch_id, request.export_sequence)
        )
    if request.acknowledged_at is not None:
        events.append(TimelineEvent(TimelineStep.ACKNOWLEDGED, request.acknowledged_at))
    if response is not None:
        events.extend(_answer_events(response))
    if request.cancelled_at is not None:
        _put_in_place(events, TimelineEvent(TimelineStep.CANCELLED, request.cancelled_at))
    return events


def _answer_events(response: Response) -> list[TimelineEvent]:
    events = []
    if response.executed_at is not None:
        events.append(TimelineEvent(TimelineStep.EXECUTED, response.executed_at))
    if response.sealed_at is not None:
        events.append(
            TimelineEvent(
                TimelineStep.ANSWER_SEALED, response.sealed_at, response.import_batch_id, response.import_sequence
            )
        )
    events.append(TimelineEvent(TimelineStep.RECEIVED, response.received_at))
    return events


def _put_in_place(events: list[TimelineEvent], event: TimelineEvent) -> None:
    later = (place for place, other in enumerate(events) if other.at > event.at)
    events.insert(next(later, len(events)), event)
