"""Sessions as documents show them: commands, and what came of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK = re.compile(r"^```\n(\$ .*?)^```$", re.MULTILINE | re.DOTALL)


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
