"""Random histories in which one database is set back: either an alarm stands, or nothing is lost."""

from __future__ import annotations

import copy
import random
from dataclasses import replace

from tests.unit.custody.test_histories import Bundle, Side
from transfer.custody.acknowledgements import parse, parse_voided
from transfer.custody.arriving import Verdict, accept_voids, advance, decide, see
from transfer.custody.delivery import Alarm, counts, interpret
from transfer.custody.state import Disposition, HeldBundle, SentBundle

HISTORIES = 1500
ACTIONS = ("submit", "export", "deliver", "deliver", "deliver", "refuse", "void", "backup", "restore")
ROUNDS = 6


class Restorable(Side):
    """A network whose numbers may be given twice, with other bytes, and which stops at an alarm."""

    fork = False

    def export_again(self, choose: random.Random) -> Bundle:
        bundle = super().export()
        # What is sealed after a restore differs from what was sealed under the same number before.
        digest = choose.randbytes(32)
        number = bundle.number.sequence
        self.sent[number] = SentBundle(number, digest, Disposition.SEALED)
        return replace(bundle, digest=digest)

    def take_in(self, bundle: Bundle, *, refuse: bool = False) -> None:
        sequence = bundle.number.sequence
        verdict = decide(self.incoming, bundle.number, bundle.digest, self.held.get(sequence)).verdict
        self.fork = self.fork or verdict is Verdict.FORK
        if verdict is not Verdict.APPLY:
            return
        self.incoming = see(self.incoming, sequence, bundle.digest)
        if refuse:
            self.held[sequence] = HeldBundle(sequence, bundle.digest, Disposition.REFUSED, "wrong-key")
            return
        self.rows_received.update(bundle.rows)
        self.held[sequence] = HeldBundle(sequence, bundle.digest, Disposition.APPLIED)
        for one in accept_voids(self.incoming, sequence, parse_voided(bundle.first_frame), self.held):
            self.held[one.sequence] = one
        above = [one for number, one in sorted(self.held.items()) if number > self.incoming.cumulative]
        self.incoming = advance(self.incoming, above)
        self._listen(bundle)

    def _listen(self, bundle: Bundle) -> None:
        if not counts(self.outgoing, bundle.number):
            return
        peer = parse(bundle.first_frame)
        unsettled = {number: one for number, one in self.sent.items() if number > self.outgoing.cumulative}
        proved = interpret(self.outgoing, unsettled, peer, self.heard)
        if isinstance(proved, Alarm):
            self.outgoing = replace(self.outgoing, alarm=proved.message)
            return
        for number in self.sent:
            if number <= proved.cumulative or any(first <= number <= last for first, last in proved.above):
                self.acknowledged.add(number)
        self.heard = peer
        self.outgoing = replace(
            self.outgoing,
            cumulative=proved.cumulative,
            running_digest=proved.running_digest,
            last_used=bundle.number,
        )


class Story:
    """One history, and what a good courier brings afterwards."""

    def __init__(self, seed: int) -> None:
        self.choose = random.Random(seed)
        self.sides = {"a": Restorable("a"), "b": Restorable("b")}
        self.made: dict[str, list[Bundle]] = {"a": [], "b": []}
        self.backups: dict[str, Restorable] = {}
        self.restored = ""

    def play(self) -> None:
        for _ in range(self.choose.randint(10, 50)):
            name, other = self.choose.choice([("a", "b"), ("b", "a")])
            side, action = self.sides[name], self.choose.choice(ACTIONS)
            if action == "submit":
                side.submit()
            elif action == "export" and not side.outgoing.alarm:
                self.made[name].append(side.export_again(self.choose))
            elif action == "void":
                side.void(self.choose.randint(0, 99))
            elif action in {"deliver", "refuse"} and self.made[name]:
                self.sides[other].take_in(self.choose.choice(self.made[name]), refuse=action == "refuse")
            elif action == "backup":
                self.backups[name] = copy.deepcopy(side)
            elif action == "restore" and name in self.backups and not self.restored:
                self.restored, self.sides[name] = name, copy.deepcopy(self.backups[name])

    def settle(self) -> None:
        for _ in range(ROUNDS):
            for name, other in (("a", "b"), ("b", "a")):
                side = self.sides[name]
                if side.outgoing.alarm:
                    continue
                while side.pending:
                    self.made[name].append(side.export_again(self.choose))
                self.made[name].append(side.export_again(self.choose))
                for bundle in self.made[name]:
                    known = side.sent.get(bundle.number.sequence)
                    waits = known is not None and known.disposition is Disposition.SEALED
                    if waits and known.digest == bundle.digest and bundle.number.sequence not in side.acknowledged:
                        self.sides[other].take_in(bundle)

    def wrongs(self) -> list[str]:
        wrongs = []
        for name, other in (("a", "b"), ("b", "a")):
            side, receiver = self.sides[name], self.sides[other]
            # The restored side gives the same row numbers again, so only the other's can be compared.
            if name != self.restored and not set(range(1, side.next_row + 1)) <= receiver.rows_received:
                wrongs.append(f"rows of {name} are lost")
            for number in side.acknowledged:
                held = receiver.held.get(number)
                if side.sent[number].disposition is Disposition.SEALED and (
                    held is None
                    or held.digest != side.sent[number].digest
                    or held.disposition is not Disposition.APPLIED
                ):
                    wrongs.append(f"{name} believes that {number} is acknowledged")
        return wrongs


def test_a_restored_database_shows_or_costs_nothing() -> None:
    silent = []
    restored = alarms = 0
    for seed in range(HISTORIES):
        story = Story(seed)
        story.play()
        story.settle()
        stopped = any(side.outgoing.alarm or side.fork for side in story.sides.values())
        restored += bool(story.restored)
        alarms += stopped
        if not story.restored and stopped:
            silent.append((seed, ["an alarm without a restore"]))
        if not stopped and (wrongs := story.wrongs()):
            silent.append((seed, wrongs))
    assert silent == []
    assert restored > HISTORIES / 3
    assert alarms > HISTORIES / 20, "the histories are too tame to show anything"
