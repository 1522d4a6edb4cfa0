"""How figures are printed: what was measured, the ratio, and the target it is held against by people."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement. `target` is for the reader; nothing is judged here."""

    what: str
    value: float
    target: str


def report(title: str, figures: Sequence[Figure]) -> None:
    """Prints the figures with the machine's load, without which no figure means anything."""
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    print(f"\n{title}  (cores {os.cpu_count()}, load {load})")
    for figure in figures:
        print(f"  {figure.what:<72} {figure.value:>12,.2f}  {figure.target}")
