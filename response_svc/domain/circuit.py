"""When the search engine is asked: always, slowly, not for now, or once to try. Pure rules; each process has its own.

CLOSED ──away──▶ OPEN ──it says that it is there──▶ HALF_OPEN ──answered──▶ CLOSED
   │              ▲ └──it does not: a longer pause          │
   │              └───────────────away──────────────────────┘
   └──overloaded──▶ SLOWED ──answered, once for each executor──▶ CLOSED

An engine that is away answers nobody, so asking it would only use up attempts: it is left alone. One that is overloaded
does answer, and would stand idle if it were left alone: it is asked by fewer at once, after a pause.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

FACTOR: Final = 2.0
FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 30.0


class CircuitState(StrEnum):
    """How the engine is treated."""

    CLOSED = "closed"
    SLOWED = "slowed"
    HALF_OPEN = "half_open"
    OPEN = "open"


class Sign(StrEnum):
    """What one search told of the engine as a whole."""

    # It answered, or refused for reasons of the search.
    ANSWERED = "answered"
    # It took too long: the search's own fault, or the engine hangs.
    LATE = "late"
    # It is there and takes no more.
    OVERLOADED = "overloaded"
    # It is not there, or not fit to answer anybody.
    AWAY = "away"


@dataclass(frozen=True, slots=True)
class Circuit:
    """How the engine is treated now. Times are seconds of whatever clock the caller has.

    `executors` is how many searches may be under way when all is well, `at_once` how many may be now, `pauses` how many
    pauses there were since the engine last answered, `not_before` the end of the last one.
    """

    executors: int
    at_once: int
    state: CircuitState = CircuitState.CLOSED
    pauses: int = 0
    not_before: float = 0.0

    def pause_left(self, now: float) -> float:
        """For how many seconds the engine is not to be asked anything."""
        return max(self.not_before - now, 0.0) if self.pauses else 0.0


def closed(executors: int) -> Circuit:
    """All is well."""
    return Circuit(executors, at_once=executors)


def after_sign(circuit: Circuit, sign: Sign | None, *, now: float, jitter: float) -> Circuit:
    """The circuit after a search. `jitter` is a random number in [0, 1), so that processes do not ask in step."""
    if circuit.pause_left(now):
        # One of those that were under way when the pause began; it tells nothing new.
        return circuit
    if sign is Sign.ANSWERED:
        return after_answer(circuit)
    if sign is Sign.AWAY:
        return paused(circuit, CircuitState.OPEN, at_once=0, now=now, jitter=jitter)
    if sign is Sign.OVERLOADED and circuit.state is not CircuitState.OPEN:
        return paused(circuit, CircuitState.SLOWED, at_once=max(circuit.at_once // 2, 1), now=now, jitter=jitter)
    return circuit


def after_answer(circuit: Circuit) -> Circuit:
    """The circuit after an answer. What was asked before the engine went away does not tell that it is back."""
    if circuit.state in {CircuitState.CLOSED, CircuitState.OPEN}:
        return circuit
    if circuit.state is CircuitState.HALF_OPEN or circuit.at_once + 1 >= circuit.executors:
        return closed(circuit.executors)
    return replace(circuit, at_once=circuit.at_once + 1, pauses=0)


def after_check(circuit: Circuit, *, reachable: bool, now: float, jitter: float) -> Circuit:
    """The circuit after an engine that was away was asked whether it is there: one search may try, or a new pause."""
    if circuit.state is not CircuitState.OPEN:
        return circuit
    if reachable:
        return replace(circuit, state=CircuitState.HALF_OPEN, at_once=1)
    return paused(circuit, CircuitState.OPEN, at_once=0, now=now, jitter=jitter)


def paused(circuit: Circuit, state: CircuitState, *, at_once: int, now: float, jitter: float) -> Circuit:
    """The circuit with another pause, longer than the one before: of that length, a random part of half of it less."""
    # Bounded before the power is taken, which would not fit a float after a day of pauses.
    length = min(FIRST_PAUSE_SECONDS * FACTOR ** min(circuit.pauses, 32), LONGEST_PAUSE_SECONDS)
    until = now + length * (1 - jitter / 2)
    return replace(circuit, state=state, at_once=at_once, pauses=circuit.pauses + 1, not_before=until)
