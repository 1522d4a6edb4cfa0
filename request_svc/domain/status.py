"""Where a request may go from where it stands. The stores' statements and the use cases follow this one table."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from common.errors import WrongStateError

if TYPE_CHECKING:
    from collections.abc import Mapping


class RequestStatus(StrEnum):
    """The states of a request, as they are stored."""

    PENDING = "pending"
    QUEUED = "queued"
    EXPORTED = "exported"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether the request has ended; nothing leads out of a final state."""
        return self in FINAL


FINAL: Final = frozenset({RequestStatus.COMPLETED, RequestStatus.FAILED, RequestStatus.CANCELLED})
OPEN: Final = frozenset(RequestStatus) - FINAL
TRAVELLING: Final = frozenset({RequestStatus.QUEUED, RequestStatus.EXPORTED, RequestStatus.PROCESSING})
"""Claimed by a bundle, so that the other network may know of the request."""

SOURCES: Final[Mapping[RequestStatus, frozenset[RequestStatus]]] = MappingProxyType(
    {
        # A bundle was given up: its requests travel again.
        RequestStatus.PENDING: TRAVELLING,
        RequestStatus.QUEUED: frozenset({RequestStatus.PENDING}),
        RequestStatus.EXPORTED: frozenset({RequestStatus.QUEUED}),
        # An acknowledgement may come before the crash recovery that marks its bundle as sealed.
        RequestStatus.PROCESSING: frozenset({RequestStatus.QUEUED, RequestStatus.EXPORTED}),
        # An answer may come while the request waits to travel again: a bundle that was given up arrived all the same.
        RequestStatus.COMPLETED: OPEN,
        RequestStatus.FAILED: OPEN,
        RequestStatus.CANCELLED: OPEN,
    }
)


def sources_of(target: RequestStatus) -> list[str]:
    """The stored states from which `target` may be reached, in a fixed order."""
    return sorted(SOURCES[target])


def step(current: RequestStatus, target: RequestStatus) -> RequestStatus:
    """`target`, if it may follow `current`; otherwise WrongStateError, whose metadata name the state."""
    if current in SOURCES[target]:
        return target
    raise WrongStateError(
        f"The request is {current} and cannot become {target}.", metadata={"state": current, "wanted": target}
    )


def cancel(current: RequestStatus) -> RequestStatus:
    """Cancelled, again or for the first time; WrongStateError once the request has ended another way."""
    if current is RequestStatus.CANCELLED:
        return current
    if current.is_final:
        raise WrongStateError(
            f"The request is {current} already and cannot be cancelled; its end stands.", metadata={"state": current}
        )
    return step(current, RequestStatus.CANCELLED)


def must_tell_the_other_network(current: RequestStatus, *, travelled_before: bool) -> bool:
    """Whether cancelling a request in this state needs a cancellation record: only if a bundle has ever claimed it.

    A bundle that was given up may have arrived all the same.
    """
    return current in TRAVELLING or travelled_before
