"""Sessions as documents show them: commands, what they say, and what the document shows of it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.processes import PROGRAMS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sandbox.envoy import Envoy

REPOSITORY = Path(__file__).parents[3]
BLOCK = re.compile(r"^```\n(\$ .*?)^```$", re.MULTILINE | re.DOTALL)
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def shell(door: Envoy, token: str, folder: Path) -> dict[str, str]:
    """The environment of a shell in `folder` as documents assume it, with our programs in .venv/bin."""
    (folder / ".venv").mkdir()
    (folder / ".venv" / "bin").symlink_to(PROGRAMS)
    return {
        "PATH": os.environ["PATH"],
        "URL": door.url,
        "CA": str(door.certificate.authority),
        "TOKEN": token,
        "PYTHONPATH": str(REPOSITORY / "gen"),
    }


def said_by(command: Sequence[str], environment: dict[str, str], folder: Path) -> str:
    """What the command says; it must succeed."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return done.stdout


def steps(document: str) -> Iterator[tuple[str, str]]:
    """Each command, its continued lines joined, with the output that is shown for it."""
    for block in BLOCK.findall(document):
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = step.splitlines()
            length = 1 + next(n for n, line in enumerate(lines) if not line.endswith("\\"))
            yield "\n".join(lines[:length]), "\n".join(lines[length:])


def shown_in(shown: str, said: str) -> bool:
    """Whether `said` has what is shown, in order; an ellipsis stands for anything."""
    pieces = [piece.strip() for piece in shown.split("…")]
    return re.search(".*?".join(map(re.escape, pieces)), said, re.DOTALL) is not None
