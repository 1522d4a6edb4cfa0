"""One rehearsal: what happens on each day, drawn from the seed, and how everything settles in the end."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from airlock.common.v1 import network_pb2

from common.batches.steps import Step
from sandbox.rehearsal.courier import Courier
from sandbox.rehearsal.faults import FULL_AT, MovedClock
from sandbox.rehearsal.invariants import Findings, Window, check
from sandbox.rehearsal.keys import Locksmith, place_keys
from sandbox.rehearsal.operators import Operator
from sandbox.rehearsal.people import People
from sandbox.rehearsal.side import Backup, Side, open_sides

if TYPE_CHECKING:
    from pathlib import Path

    from common.batches.overview import StreamsView
    from sandbox.rehearsal.servers import Servers

SLOTS: Final = 4
SLOT: Final = timedelta(hours=6)
STEPS: Final = tuple(Step)
MOST_RESTORES: Final = 2
# How often a restore follows upon the end of a disk, which held the newer backups too, and the archive, which else
# mends much without a word.
DISK_DIES: Final = 0.5
MOST_ROUNDS: Final = 40
# After so long the weekly snapshot has told of a restore that nothing else brought to light.
HEARTBEAT: Final = timedelta(days=8)
SENT: Final = {
    "request": (network_pb2.BUNDLE_KIND_REQUESTS,),
    "response": (network_pb2.BUNDLE_KIND_USERS, network_pb2.BUNDLE_KIND_RESPONSES),
}


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


@dataclass(slots=True)
class History:
    """A rehearsal under way."""

    choose: random.Random
    clock: MovedClock
    sides: dict[str, Side]
    courier: Courier
    locksmith: Locksmith
    people: People = field(default_factory=People)
    operators: dict[str, Operator] = field(default_factory=dict)
    backups: dict[str, list[Backup]] = field(default_factory=lambda: {"request": [], "response": []})
    # How probable a restore is at each opportunity. Most histories have none, so that other trouble shows too.
    restores: float = 0.0
    # Draws of their own: whether a disk dies changes nothing else in what a seed stands for.
    disks: random.Random = field(default_factory=random.Random)
    archived_lost: int = 0
    windows: list[Window] = field(default_factory=list)
    freed_too_early: list[str] = field(default_factory=list)
    files_freed: int = 0

    async def begin(self) -> None:
        """Three users on the Response Network; most of the times they have crossed before the trouble begins."""
        for side in self.sides.values():
            await side.start()
            side.exchange.context.outbox.make_folders()
            side.exchange.context.inbox.make_folders()
            peer = self.sides["response" if side.name == "request" else "request"]
            self.operators[side.name] = Operator(side, peer)
        for _ in range(3):
            await self.people.hire(self.sides["response"])
        if self._happens(0.8):
            await self._jobs_without_faults()
            self.courier.carry_well(self.sides)
            await self._jobs_without_faults()

    async def day(self) -> None:
        """What happens between two mornings."""
        for _ in range(SLOTS):
            await self._time_passes(SLOT)
            await self._people()
            await self._jobs()
            self.courier.arrive(self.sides, self.clock())
            for side in self.sides.values():
                if self._happens(0.5):
                    self.courier.collect(side, self.clock())
                await self._misfortune(side)
        for side in self.sides.values():
            await self._clean_up(side)
        if self._happens(0.4):
            self.locksmith.act(self.choose)
        for operator in self.operators.values():
            if self._happens(0.8):
                await operator.act()
            if self._happens(0.1):
                await operator.give_something_up(self.choose)
            if self._happens(0.2):
                await operator.try_again(self.choose)

    async def _clean_up(self, side: Side) -> None:
        """What is deleted must be held by the other network, unless that was set back since it said so."""
        deleted = await side.clean_up()
        peer = self.sides["response" if side.name == "request" else "request"]
        if not deleted or any(window.side == peer.name for window in self.windows):
            return
        sent = await side.rows(
            "SELECT e.filename, e.digest, e.epoch < (SELECT max(epoch) FROM streams) AS ended "
            "FROM export_batches e WHERE e.filename = ANY(:names)",
            names=deleted,
        )
        held = {
            bytes(row.digest)
            for row in await peer.rows("SELECT digest FROM stream_bundles WHERE direction = 'incoming'")
        }
        known = {row.filename for row in sent if row.ended or bytes(row.digest) in held}
        self.freed_too_early += [name for name in deleted if name not in known]
        self.files_freed += len(deleted)

    async def settle(self) -> dict[str, StreamsView]:
        """Late media come, then a good courier walks until nothing moves, now and after the weekly heartbeat."""
        for trip in self.courier.trips:
            trip.arrives_at = self.clock()
        await self._time_passes(timedelta(hours=1))
        while self.courier.trips:
            self.courier.arrive(self.sides, self.clock())
            await self._time_passes(timedelta(days=11))
        streams = await self._until_quiet()
        await self._time_passes(HEARTBEAT)
        return await self._until_quiet() if streams else streams

    async def _until_quiet(self) -> dict[str, StreamsView]:
        before: object = None
        for _ in range(MOST_ROUNDS):
            await self._time_passes(timedelta(hours=1))
            for operator in self.operators.values():
                await operator.act()
            await self._jobs_without_faults()
            self.courier.carry_well(self.sides)
            await self._jobs_without_faults()
            streams = {name: await operator.look() for name, operator in self.operators.items()}
            now = await self._state()
            if now == before and all(_is_calm(view) for view in streams.values()):
                return streams
            before = now
        return streams

    async def _state(self) -> object:
        """What still moves: the states of requests, and the users."""
        request, response = self.sides["request"], self.sides["response"]
        return [
            await request.rows("SELECT status, count(*) FROM requests GROUP BY 1 ORDER BY 1"),
            await request.rows("SELECT count(*), max(revision) FROM users WHERE missing_since IS NULL"),
            await response.rows("SELECT status, count(*) FROM incoming_requests GROUP BY 1 ORDER BY 1"),
            await response.rows("SELECT count(*) FROM query_results WHERE acknowledged_at IS NULL"),
        ]

    async def _people(self) -> None:
        request, response = self.sides["request"], self.sides["response"]
        if self._happens(0.5):
            await self.people.ask(request, self.choose, self.choose.randint(1, 6))
        if self._happens(0.15):
            await self.people.cancel(request, self.choose)
        if self._happens(0.1):
            await self.people.hire(response)
        if self._happens(0.04):
            await self.people.dismiss(response, self.choose)

    async def _jobs(self) -> None:
        """Each side's jobs, in any order, some of them interrupted."""
        names = list(self.sides)
        self.choose.shuffle(names)
        for name in names:
            side = self.sides[name]
            if self._happens(0.8):
                self._arm(side)
                await side.import_()
            if name == "response" and self._happens(0.8):
                self._arm(side)
                await side.run(side.app.executors.run)
            for kind in SENT[name]:
                if self._happens(0.6):
                    self._arm(side)
                    await side.export(kind)

    async def _jobs_without_faults(self) -> None:
        for side in self.sides.values():
            await side.import_()
        response = self.sides["response"]
        await response.run(response.app.executors.run)
        for name, side in self.sides.items():
            for kind in SENT[name]:
                await side.export(kind)

    async def _misfortune(self, side: Side) -> None:
        """Backups are made, and now and then one is needed."""
        backups = self.backups[side.name]
        if self._happens(0.06):
            backups.append(await side.back_up())
        if backups and len(self.windows) < MOST_RESTORES and self._happens(self.restores):
            backup = self.choose.choice(backups)
            disk_died = self.disks.random() < DISK_DIES
            if disk_died:
                backup = backups[0]
            self.windows.append(Window(side.name, backup.made_at, self.clock()))
            await side.restore(backup)
            if disk_died:
                self.archived_lost += side.lose_archive()
            for operator in self.operators.values():
                operator.restored = True
            if self._happens(0.5):
                await self.operators[side.name].declare()

    def _arm(self, side: Side) -> None:
        if self._happens(0.4):
            full = self._happens(0.25)
            step = self.choose.choice(FULL_AT if full else STEPS)
            side.faults.arm(step, self.choose.randint(1, 3), disk_is_full=full)

    async def _time_passes(self, by: timedelta) -> None:
        self.clock.advance(by)
        for side in self.sides.values():
            await side.time_passes(by)

    def _happens(self, probability: float) -> bool:
        return self.choose.random() < probability


async def rehearse(seed: int, days: int, servers: Servers, folder: Path) -> Rehearsed:
    """Plays `days` days from `seed` in `folder`, lets everything settle, and checks what must hold."""
    choose = random.Random(seed)  # noqa: S311 - a history that can be played again, no secret.
    clock = MovedClock()
    place_keys(folder / "keys")
    sides = {side.name: side for side in open_sides(servers, folder, clock)}
    courier = Courier(folder / "media", choose)
    restores = choose.choice((0.0, 0.0, 0.03, 0.08))
    disks = random.Random(f"disks of {seed}")  # noqa: S311 - as above.
    history = History(choose, clock, sides, courier, Locksmith(sides), restores=restores, disks=disks)
    try:
        await history.begin()
        for _ in range(days):
            await history.day()
        streams = await history.settle()
        findings = await check(sides, history.people, history.windows, streams)
        findings.violations += [f"{name} was deleted and nobody holds it" for name in history.freed_too_early]
        findings.violations += [text for operator in history.operators.values() for text in operator.false_alarms]
    finally:
        for name, side in sides.items():
            await side.discard(history.backups[name])
    return Rehearsed(seed, days, findings, history.windows, len(history.people.asked), _events(history))


def _is_calm(view: StreamsView) -> bool:
    alarm = view.outgoing.alarm or view.incoming.alarm
    return not alarm and not view.incoming.missing and view.outgoing.in_flight <= 1


def _events(history: History) -> dict[str, int]:
    events = {**history.courier.mishaps, **history.locksmith.deeds}
    for name, side in history.sides.items():
        for what, times in (*side.faults.injected.items(), *history.operators[name].deeds.items()):
            events[what] = events.get(what, 0) + times
    events["deleted a sent bundle"] = history.files_freed
    if history.windows:
        events["restored database"] = len(history.windows)
        events["archived bundle lost"] = history.archived_lost
    return events
