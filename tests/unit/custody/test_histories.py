"""Random histories of two networks and a courier who loses, doubles, delays and reorders: the rules hold throughout."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transfer.custody.acknowledgements import parse, parse_voided, render
from transfer.custody.arriving import Verdict, accept_voids, advance, decide, see
from transfer.custody.delivery import Delivery, counts, interpret
from transfer.custody.digests import chain
from transfer.custody.state import BundleNumber, Disposition, HeldBundle, IncomingState, OutgoingState, SentBundle

if TYPE_CHECKING:
    from airlock.bundle.v1.acknowledgement_pb2 import Acknowledgements

    from transfer.custody.acknowledgements import PeerState

EPOCH = 10


@dataclass(frozen=True)
class Bundle:
    number: BundleNumber
    digest: bytes
    first_frame: Acknowledgements
    rows: tuple[int, ...]


@dataclass
class Side:
    """A network whose database is a few dictionaries."""

    name: str
    incoming: IncomingState = field(default_factory=lambda: IncomingState(epoch=EPOCH))
    held: dict[int, HeldBundle] = field(default_factory=dict)
    outgoing: OutgoingState = field(default_factory=lambda: OutgoingState(epoch=EPOCH))
    sent: dict[int, SentBundle] = field(default_factory=dict)
    rows_of: dict[int, tuple[int, ...]] = field(default_factory=dict)
    acknowledged: set[int] = field(default_factory=set)
    heard: PeerState | None = None
    pending: list[int] = field(default_factory=list)
    next_row: int = 0
    times_applied: Counter[int] = field(default_factory=Counter)
    rows_received: set[int] = field(default_factory=set)

    def submit(self) -> None:
        self.next_row += 1
        self.pending.append(self.next_row)

    def export(self) -> Bundle:
        number = self.outgoing.last_sequence + 1
        rows, self.pending = tuple(self.pending[:2]), self.pending[2:]
        voided = [
            (n, one.digest)
            for n, one in sorted(self.sent.items())
            if one.disposition is Disposition.VOIDED and n not in self.acknowledged
        ]
        above = [one for n, one in sorted(self.held.items()) if n > self.incoming.cumulative]
        digest = hashlib.sha256(f"{self.name} {number} {rows}".encode()).digest()
        self.outgoing = replace(self.outgoing, last_sequence=number)
        self.sent[number] = SentBundle(number, digest, Disposition.SEALED)
        self.rows_of[number] = rows
        return Bundle(BundleNumber(EPOCH, number), digest, render(self.incoming, above, voided), rows)

    def void(self, choice: int) -> None:
        sealed = [
            n for n, one in self.sent.items() if one.disposition is Disposition.SEALED and n not in self.acknowledged
        ]
        if sealed:
            number = sealed[choice % len(sealed)]
            self.sent[number] = replace(self.sent[number], disposition=Disposition.VOIDED)
            self.pending.extend(self.rows_of[number])

    def receive(self, bundle: Bundle, *, refuse: bool) -> None:
        sequence = bundle.number.sequence
        verdict = decide(self.incoming, bundle.number, bundle.digest, self.held.get(sequence)).verdict
        assert verdict in {Verdict.APPLY, Verdict.REPEAT, Verdict.ALREADY_VOIDED}
        if verdict is not Verdict.APPLY:
            return
        self.incoming = see(self.incoming, sequence, bundle.digest)
        if refuse:
            self.held[sequence] = HeldBundle(sequence, bundle.digest, Disposition.REFUSED, "wrong-key")
            return
        self.times_applied[sequence] += 1
        self.rows_received.update(bundle.rows)
        self.held[sequence] = HeldBundle(sequence, bundle.digest, Disposition.APPLIED)
        for one in accept_voids(self.incoming, sequence, parse_voided(bundle.first_frame), self.held):
            self.held[one.sequence] = one
        self.incoming = advance(
            self.incoming, [one for n, one in sorted(self.held.items()) if n > self.incoming.cumulative]
        )
        self.hear(bundle)

    def hear(self, bundle: Bundle) -> None:
        if not counts(self.outgoing, bundle.number):
            return
        peer = parse(bundle.first_frame)
        unsettled = {n: one for n, one in self.sent.items() if n > self.outgoing.cumulative}
        proved = interpret(self.outgoing, unsettled, peer, self.heard)
        assert isinstance(proved, Delivery), f"no database was restored, but: {proved}"
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


def check(sender: Side, receiver: Side) -> None:
    assert all(times == 1 for times in receiver.times_applied.values()), "a bundle was applied twice"
    for number in sender.acknowledged:
        disposition = receiver.held[number].disposition
        if sender.sent[number].disposition is Disposition.SEALED:
            assert disposition is Disposition.APPLIED, "acknowledged, and not applied"
        else:
            assert disposition in {Disposition.APPLIED, Disposition.VOIDED}
    counted = [sender.sent[n].digest for n in range(1, receiver.incoming.cumulative + 1)]
    assert receiver.incoming.running_digest == chain(digest for digest in counted if digest is not None)


steps = st.lists(
    st.tuples(
        st.sampled_from(["submit", "export", "deliver", "deliver", "refuse", "void"]), st.booleans(), st.integers(0, 99)
    ),
    max_size=60,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps)
def test_no_history_of_the_courier_loses_or_doubles_anything(history: list[tuple[str, bool, int]]) -> None:
    ours, theirs = Side("a"), Side("b")
    made: dict[str, list[Bundle]] = {"a": [], "b": []}
    for action, ours_acts, choice in history:
        sender, receiver = (ours, theirs) if ours_acts else (theirs, ours)
        if action == "submit":
            sender.submit()
        elif action == "export":
            made[sender.name].append(sender.export())
        elif action == "void":
            sender.void(choice)
        elif made[sender.name]:
            # Any bundle that was ever made may come, at any time, again and again.
            receiver.receive(made[sender.name][choice % len(made[sender.name])], refuse=action == "refuse")
        check(ours, theirs)
        check(theirs, ours)
    _settle(ours, theirs, made)


def _settle(ours: Side, theirs: Side, made: dict[str, list[Bundle]]) -> None:
    """The courier brings everything that is not acknowledged, a few times: then every row has arrived."""
    for _ in range(4):
        for sender, receiver in ((ours, theirs), (theirs, ours)):
            while sender.pending:
                made[sender.name].append(sender.export())
            made[sender.name].append(sender.export())
            for bundle in made[sender.name]:
                number = bundle.number.sequence
                if number not in sender.acknowledged and sender.sent[number].disposition is Disposition.SEALED:
                    receiver.receive(bundle, refuse=False)
            check(sender, receiver)
    for sender, receiver in ((ours, theirs), (theirs, ours)):
        assert receiver.rows_received == set(range(1, sender.next_row + 1))
        in_flight = [n for n in sender.sent if n not in sender.acknowledged]
        assert len(in_flight) <= 1, "only the very last bundle may wait for its acknowledgement"
