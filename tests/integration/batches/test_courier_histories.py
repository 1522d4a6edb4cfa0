"""Random histories on real databases and folders: a bad courier, processes that die, files that vanish."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select
from toy_networks import Fault, applied

from common.batches.steps import Step

if TYPE_CHECKING:
    from pathlib import Path

    from toy_networks import Pair, ToyNetwork

ACTIONS = ("add", "export", "export", "take", "take", "deliver", "deliver", "scan", "scan", "tamper", "lose", "wait")
STEPS = tuple(step for step in Step if not step.name.startswith("EXECUTE"))
LENGTH = 40


class Courier:
    """Copies what waits, and brings any of it at any time, damaged or whole, again and again."""

    def __init__(self, choose: random.Random, folder: Path) -> None:
        self._choose = choose
        self._folder = folder
        self._folder.mkdir()
        self._taken = 0

    def take(self, sender: ToyNetwork) -> None:
        for file in sender.waiting():
            self._taken += 1
            shutil.copy(file, self._folder / f"{self._taken}")

    def deliver(self, receiver: ToyNetwork, *, damaged: bool) -> None:
        files = sorted(self._folder.iterdir())
        if not files:
            return
        file = self._choose.choice(files)
        receiver.take_in(file)
        if damaged:
            brought = max(receiver.context.inbox.root.glob("*.pb.enc"), key=lambda path: path.stat().st_mtime_ns)
            content = bytearray(brought.read_bytes())
            content[self._choose.randrange(len(content))] ^= 1 << self._choose.randrange(8)
            brought.write_bytes(content)


async def act(pair: Pair, choose: random.Random, couriers: dict[str, Courier], added: dict[str, int]) -> None:
    sides = {"request": pair.request, "response": pair.response}
    name, other = choose.choice([("request", "response"), ("response", "request")])
    network, action = sides[name], choose.choice(ACTIONS)
    dies = choose.random() < 0.3
    if dies:
        network.steps.step, network.steps.countdown = choose.choice(STEPS), choose.randint(1, 3)
    try:
        if action == "add":
            added[name] += len(await network.add(choose.randint(1, 4)))
        elif action == "export":
            await network.export()
        elif action == "take":
            couriers[name].take(network)
        elif action in {"deliver", "tamper"}:
            couriers[other].deliver(network, damaged=action == "tamper")
        elif action == "scan":
            await network.scan()
        elif action == "lose" and (waiting := network.waiting()) and choose.random() < 0.3:
            choose.choice(waiting).unlink()
        elif action == "wait":
            network.clock.advance(minutes=11)
    except Fault:
        pass
    finally:
        network.steps.step = None


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("seed", [2, 3])
async def test_nothing_is_lost_and_nothing_applied_twice(pair: Pair, tmp_path: Path, seed: int) -> None:
    choose = random.Random(seed)
    couriers = {name: Courier(choose, tmp_path / f"stick of {name}") for name in ("request", "response")}
    added = {"request": 0, "response": 0}
    await pair.begin()
    for _ in range(LENGTH):
        await act(pair, choose, couriers, added)
    for _ in range(3):
        await pair.request.export()
        await pair.response.export()
        await pair.round_trip()
    for name, sender, receiver in (
        ("request", pair.request, pair.response),
        ("response", pair.response, pair.request),
    ):
        assert await sender.states() == Counter(acknowledged=added[name])
        async with receiver.database.transaction() as transaction:
            rows = (await transaction.connection.execute(select(applied))).all()
        assert len({row.id for row in rows}) == added[name]
        assert len({(row.id, row.batch_id) for row in rows}) == len(rows), "a bundle was applied twice"
        streams = await sender.streams()
        assert (streams.outgoing.alarm, streams.incoming.alarm, streams.incoming.missing) == ("", "", "")
