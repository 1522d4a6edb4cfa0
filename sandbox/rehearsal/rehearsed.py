"""One rehearsal from its seed to its findings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.rehearsal.ailments import Ailments
from sandbox.rehearsal.courier import Courier
from sandbox.rehearsal.drawing import drawer
from sandbox.rehearsal.faults import MovedClock
from sandbox.rehearsal.history import History
from sandbox.rehearsal.invariants import Findings, Window, check
from sandbox.rehearsal.keys import Locksmith, place_keys
from sandbox.rehearsal.side import WORKER_COUNT, open_sides

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.rehearsal.servers import Servers


@dataclass(slots=True)
class Rehearsed:
    """What a rehearsal came to."""

    seed: int
    days: int
    findings: Findings
    windows: list[Window]
    asked: int
    events: dict[str, int]

    @property
    def good(self) -> bool:
        """Whether every rule held."""
        return not self.findings.violations


async def rehearse(seed: int, days: int, servers: Servers, folder: Path) -> Rehearsed:
    """Plays `days` days from `seed` in `folder`, lets everything settle, and checks what must hold."""
    choose = drawer(seed, "days")
    clock = MovedClock()
    place_keys(folder / "keys")
    sides = {side.name: side for side in open_sides(servers, folder, clock)}
    ailing = drawer(seed, "ailments")
    ailments = Ailments(ailing, rate=ailing.choice((0.0, 0.1, 0.25)), executors=WORKER_COUNT)
    sides["response"].ailments = ailments
    courier = Courier(folder / "media", drawer(seed, "courier"))
    history = History(
        choose,
        clock,
        sides,
        courier,
        Locksmith(sides),
        ailments,
        restores=choose.choice((0.0, 0.0, 0.03, 0.08)),
        disks=drawer(seed, "disks"),
        kills=drawer(seed, "kills"),
        asking=drawer(seed, "asking"),
        deciding=drawer(seed, "deciding"),
        rotating=drawer(seed, "rotating"),
        ruling=drawer(seed, "ruling"),
        ruled_kills=drawer(seed, "kills of the policy"),
        batching=drawer(seed, "batches"),
        overseeing=drawer(seed, "overseers"),
        executing=drawer(seed, "workers"),
    )
    try:
        await history.begin()
        for _ in range(days):
            await history.day()
        streams = await history.settle()
        findings = await check(sides, history.crowd, history.rules, history.windows, streams)
        findings.violations += history.watched.rolled_back
        if ailments.met_out > ailments.may_meet_out:
            findings.violations.append(f"{ailments.met_out} searches met an engine that is out")
        findings.violations += [f"{name} was deleted and nobody holds it" for name in history.freed_too_early]
        findings.violations += [text for operator in history.operators.values() for text in operator.false_alarms]
    finally:
        for name, side in sides.items():
            await side.discard(history.backups[name])
    return Rehearsed(seed, days, findings, history.windows, len(history.people.asked), _events(history))


def _events(history: History) -> dict[str, int]:
    events = {**history.courier.mishaps, **history.locksmith.deeds}
    for name, side in history.sides.items():
        for what, times in (*side.faults.injected.items(), *history.operators[name].deeds.items()):
            events[what] = events.get(what, 0) + times
    assert history.workers is not None
    counted = (
        history.admin.deeds,
        history.people.turned_away,
        history.crowd.deeds,
        history.overseers.deeds,
        history.workers.deeds,
        history.workers.second.faults.injected,
        history.ailments.fell_ill,
    )
    for what, times in (one for counts in counted for one in counts.items()):
        events[what] = events.get(what, 0) + times
    if history.chains_cut:
        events["audit chain cut"] = history.chains_cut
    events["deleted a sent bundle"] = history.files_freed
    if history.windows:
        events["restored database"] = len(history.windows)
        events["archived bundle lost"] = history.archived_lost
    return events
