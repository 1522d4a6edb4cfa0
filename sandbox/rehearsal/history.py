"""A history under way: what happens on each day, drawn from the seed, and how everything settles in the end."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from airlock.common.v1 import network_pb2

from common.batches.steps import Step
from sandbox.rehearsal.admin import POLICY_KINDS, Admin
from sandbox.rehearsal.crowd import Crowd
from sandbox.rehearsal.faults import FULL_AT, MovedClock
from sandbox.rehearsal.invariants import Window
from sandbox.rehearsal.operators import Operator
from sandbox.rehearsal.overseers import Overseers
from sandbox.rehearsal.people import People
from sandbox.rehearsal.replica_watch import ReplicaWatch
from sandbox.rehearsal.rules import Rules, policy_is_heard
from sandbox.rehearsal.side import Backup, Side, fill_catalogue
from sandbox.rehearsal.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airlock.common.v1.network_pb2 import BundleKind

    from common.batches.overview import StreamsView
    from sandbox.rehearsal.ailments import Ailments
    from sandbox.rehearsal.courier import Courier
    from sandbox.rehearsal.keys import Locksmith

SLOTS: Final = 4
SLOT: Final = timedelta(hours=6)
# Where each job may be killed: at every step that it passes.
EXPORTING: Final = (Step.FREEZE, Step.SEAL, Step.WRITE, Step.RENAME, Step.CONFIRM)
IMPORTING: Final = (Step.STAGE, Step.APPLY, Step.COMMIT, Step.ARCHIVE)
EXECUTING: Final = (Step.EXECUTE_CLAIMED, Step.EXECUTE_ANSWERED, Step.EXECUTE_STORED)
MOST_RESTORES: Final = 2
# How often a restore follows upon the end of a disk, which held the newer backups too, and the archive, which else
# mends much without a word.
DISK_DIES: Final = 0.5
MOST_ROUNDS: Final = 40
# How often a job is armed to break off, and how often that is a full disk.
KILLED_OR_FULL: Final = 0.4
FULL: Final = 0.25
# After so long the weekly snapshot has told of a restore that nothing else brought to light.
HEARTBEAT: Final = timedelta(days=8)
SENT: Final = {
    "request": (network_pb2.BUNDLE_KIND_REQUESTS,),
    "response": (network_pb2.BUNDLE_KIND_USERS, network_pb2.BUNDLE_KIND_RESPONSES),
}
RULED: Final[dict[str, Sequence[BundleKind.ValueType]]] = {"request": (), "response": POLICY_KINDS}
"""What is sent of the policy."""
REPLICA: Final = "SELECT kind, epoch, sequence, revision FROM replica_states"
WITNESSED: Final = {
    "peer": "SELECT coalesce(max(number), 0) AS number FROM audit_witnesses WHERE chain = 'peer' AND agrees",
    "own": "SELECT coalesce(max(number), 0) AS number FROM audit_segments",
}


@dataclass(slots=True)
class History:
    """A rehearsal under way."""

    choose: random.Random
    clock: MovedClock
    sides: dict[str, Side]
    courier: Courier
    locksmith: Locksmith
    ailments: Ailments
    people: People = field(default_factory=People)
    operators: dict[str, Operator] = field(default_factory=dict)
    backups: dict[str, list[Backup]] = field(default_factory=lambda: {"request": [], "response": []})
    # How probable a restore is at each opportunity. Most histories have none, so that other trouble shows too.
    restores: float = 0.0
    # Each has draws of its own: what one of them does changes nothing else in what a seed stands for.
    disks: random.Random = field(default_factory=random.Random)
    kills: random.Random = field(default_factory=random.Random)
    asking: random.Random = field(default_factory=random.Random)
    deciding: random.Random = field(default_factory=random.Random)
    rotating: random.Random = field(default_factory=random.Random)
    ruling: random.Random = field(default_factory=random.Random)
    # Which of the policy's exports die.
    ruled_kills: random.Random = field(default_factory=random.Random)
    batching: random.Random = field(default_factory=random.Random)
    overseeing: random.Random = field(default_factory=random.Random)
    executing: random.Random = field(default_factory=random.Random)
    admin: Admin = field(init=False)
    crowd: Crowd = field(init=False)
    overseers: Overseers = field(init=False)
    rules: Rules = field(init=False)
    # Once both processes have started.
    workers: Workers | None = None
    # Restores after which an audit chain was shorter than the other network had seen it.
    chains_cut: int = 0
    watched: ReplicaWatch = field(default_factory=ReplicaWatch)
    archived_lost: int = 0
    windows: list[Window] = field(default_factory=list)
    # Digests that each network held, committed, before its database was set back.
    held_once: dict[str, set[bytes]] = field(default_factory=lambda: {"request": set(), "response": set()})
    freed_too_early: list[str] = field(default_factory=list)
    files_freed: int = 0

    def __post_init__(self) -> None:
        response = self.sides["response"]
        self.admin = Admin(response, self.people)
        self.crowd = Crowd(self.people, self.windows)
        self.overseers = Overseers(response, self.ailments)
        self.rules = Rules(self.overseers)

    async def begin(self) -> None:
        """Three users on the Response Network; most of the times they have crossed before the trouble begins."""
        for side in self.sides.values():
            await side.start()
            side.exchange.context.outbox.make_folders()
            side.exchange.context.inbox.make_folders()
            peer = self.sides["response" if side.name == "request" else "request"]
            self.operators[side.name] = Operator(side, peer)
        response = self.sides["response"]
        self.workers = Workers(response, await response.start_another(), self.overseers, self.executing)
        await fill_catalogue(response)
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
            self.ailments.pass_slot()
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
            self.locksmith.act(self.rotating)
        for operator in self.operators.values():
            if self._happens(0.8):
                await operator.act()
            if self._happens(0.1):
                await operator.give_something_up(self.deciding)
            if self._happens(0.2):
                await operator.try_again(self.deciding)

    async def _clean_up(self, side: Side) -> None:
        """What is deleted must have been held by the other network, byte for byte, or be of an epoch that ended."""
        deleted = await side.clean_up()
        if not deleted:
            return
        peer = self.sides["response" if side.name == "request" else "request"]
        ended = await side.rows(
            "SELECT filename FROM export_batches WHERE epoch < (SELECT max(epoch) FROM streams) "
            "AND filename = ANY(:names)",
            names=list(deleted),
        )
        held = self.held_once[peer.name] | await peer.digests_held()
        may_go = {row.filename for row in ended} | {name for name, digest in deleted.items() if digest in held}
        self.freed_too_early += sorted(deleted.keys() - may_go)
        self.files_freed += len(deleted)

    async def settle(self) -> dict[str, StreamsView]:
        """Late media come, then a good courier walks until nothing moves, now and after the weekly heartbeat."""
        self.ailments.recover()
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
            await request.rows("SELECT kind, revision, in_step FROM replica_states ORDER BY kind"),
            await response.rows("SELECT status, count(*) FROM incoming_requests GROUP BY 1 ORDER BY 1"),
            await response.rows("SELECT count(*) FROM query_results WHERE acknowledged_at IS NULL"),
        ]

    async def _people(self) -> None:
        request, response = self.sides["request"], self.sides["response"]
        if self._happens(0.5):
            await self.people.ask(request, self.asking, self.asking.randint(1, 6))
        if self._happens(0.15):
            await self.people.cancel(request, self.asking)
        if self._happens(0.1):
            await self.people.hire(response)
        if self._happens(0.04):
            await self.people.dismiss(response, self.asking)
        if self.batching.random() < 0.4:
            await self.crowd.act(request, self.batching)
        if self.overseeing.random() < 0.3:
            await self.overseers.act(self.overseeing)
        if self.ruling.random() < 0.3:
            await self.people.come_in(request, self.ruling)
        await self.admin.open_again(self.ruling)
        for _ in range(self.ruling.choice((0, 0, 1, 1, 2, 4))):
            await self.admin.rule(self.ruling)

    async def _jobs(self) -> None:
        """Each side's jobs, in any order, some of them interrupted."""
        names = list(self.sides)
        self.choose.shuffle(names)
        for name in names:
            side = self.sides[name]
            if self._happens(0.8):
                self._arm(side, IMPORTING)
                await side.import_()
                await self._look_at_replica()
            if name == "response" and self._happens(0.8):
                await policy_is_heard(side)
                self._arm(side, EXECUTING)
                await self._execute(side)
            for kind in SENT[name]:
                if self._happens(0.6):
                    self._arm(side, EXPORTING)
                    await side.export(kind)
            for kind in RULED[name]:
                if self.ruling.random() < 0.5:
                    self._arm(side, EXPORTING, self.ruled_kills)
                    await side.export(kind)
            if self.ruling.random() < 0.3:
                await side.app.trail.seal()

    async def _execute(self, side: Side) -> None:
        """By one process, or by two beside each other."""
        assert self.workers is not None
        if self.executing.random() < 0.4:
            await self.workers.run()
        else:
            await side.run(side.app.executors.run)
        await self._look_at_ends(side)

    async def _look_at_ends(self, response: Side) -> None:
        assert self.workers is not None
        dead = sum(
            times
            for side in (response, self.workers.second)
            for what, times in side.faults.injected.items()
            if what.startswith("killed at execute")
        )
        await self.rules.look(response, self.people, dead * self.ailments.executors + self.workers.leases_lost)

    async def _jobs_without_faults(self) -> None:
        for side in self.sides.values():
            await side.import_()
        await self._look_at_replica()
        response = self.sides["response"]
        await policy_is_heard(response)
        await response.run(response.app.executors.run)
        await self._look_at_ends(response)
        for name, side in self.sides.items():
            await side.app.trail.seal()
            for kind in (*SENT[name], *RULED[name]):
                await side.export(kind)

    async def _look_at_replica(self) -> None:
        self.watched.look(await self.sides["request"].rows(REPLICA))

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
            self.held_once[side.name] |= await side.digests_held()
            peer = self.sides["response" if side.name == "request" else "request"]
            seen = (await peer.rows(WITNESSED["peer"]))[0].number
            await side.restore(backup)
            self.watched.forget()
            if seen > (await side.rows(WITNESSED["own"]))[0].number:
                self.chains_cut += 1
            if disk_died:
                self.archived_lost += side.lose_archive()
            for operator in self.operators.values():
                operator.restored = True
            if self._happens(0.5):
                await self.operators[side.name].declare()

    def _arm(self, side: Side, steps: Sequence[Step], draw: random.Random | None = None) -> None:
        """The job that comes may die at one of these steps, or find its disk full."""
        draw = draw or self.kills
        if draw.random() < KILLED_OR_FULL:
            full = draw.random() < FULL and not FULL_AT.isdisjoint(steps)
            step = draw.choice([one for one in steps if one in FULL_AT] if full else steps)
            side.faults.arm(step, draw.choice((1, 1, 2, 3)), disk_is_full=full)

    async def _time_passes(self, by: timedelta) -> None:
        self.clock.advance(by)
        for side in self.sides.values():
            await side.time_passes(by)

    def _happens(self, probability: float) -> bool:
        return self.choose.random() < probability


def _is_calm(view: StreamsView) -> bool:
    alarm = view.outgoing.alarm or view.incoming.alarm
    return not alarm and not view.incoming.missing and view.outgoing.in_flight <= 1
