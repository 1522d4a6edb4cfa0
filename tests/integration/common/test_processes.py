"""The parent of serving processes: it replaces the dead, drains the living, and takes them with it when it dies."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import textwrap
from typing import TYPE_CHECKING

import psutil
import pytest_asyncio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

CHILD = """
import asyncio, os, pathlib, sys
from common.rpc.processes import own_process_number, run_processes, stop_signals

folder = pathlib.Path(sys.argv[1])

async def serve(number):
    stopping = stop_signals()
    (folder / f"{number}.{os.getpid()}.up").touch()
    await stopping.wait()
    (folder / f"{number}.{os.getpid()}.drained").touch()

number = own_process_number()
asyncio.run(run_processes(2, drain_seconds=5) if number is None else serve(number))
"""


@pytest_asyncio.fixture
async def parent(tmp_path: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    script = tmp_path / "program.py"
    script.write_text(textwrap.dedent(CHILD))
    process = await asyncio.create_subprocess_exec(sys.executable, str(script), str(tmp_path))
    yield process
    if process.returncode is None:
        process.kill()
        await process.wait()


async def files(folder: Path, ending: str, count: int) -> list[tuple[int, int]]:
    """Number and process id of each child that left such a file, once there are that many."""
    async with asyncio.timeout(60):
        while len(found := list(folder.glob(f"*.{ending}"))) < count:  # noqa: ASYNC110 - it waits for another process.
            await asyncio.sleep(0.05)
    return [(int(path.name.split(".")[0]), int(path.name.split(".")[1])) for path in found]


async def gone(pid: int) -> None:
    async with asyncio.timeout(60):
        while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:  # noqa: ASYNC110 - as above.
            await asyncio.sleep(0.05)


async def test_every_child_drains_when_the_parent_is_told_to_stop(
    parent: asyncio.subprocess.Process, tmp_path: Path
) -> None:
    children = await files(tmp_path, "up", 2)
    assert {number for number, _ in children} == {0, 1}
    parent.terminate()
    assert await asyncio.wait_for(parent.wait(), 60) == 0
    assert sorted(await files(tmp_path, "drained", 2)) == sorted(children)


async def test_a_killed_child_is_replaced_under_its_number(parent: asyncio.subprocess.Process, tmp_path: Path) -> None:
    children = dict(await files(tmp_path, "up", 2))
    os.kill(children[0], signal.SIGKILL)
    replaced = [pid for number, pid in await files(tmp_path, "up", 3) if number == 0]
    assert len(replaced) == 2
    assert psutil.pid_exists(children[1])


async def test_children_end_with_a_parent_that_is_killed(parent: asyncio.subprocess.Process, tmp_path: Path) -> None:
    children = await files(tmp_path, "up", 2)
    parent.kill()
    await parent.wait()
    for _, pid in children:
        await gone(pid)
    assert len(await files(tmp_path, "drained", 2)) == 2
