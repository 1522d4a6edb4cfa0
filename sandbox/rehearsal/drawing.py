"""Draws from a seed: the same ones in every run, whatever differs between runs in ids, sizes and times."""

from __future__ import annotations

import random


def drawer(seed: int, subject: str) -> random.Random:
    """The draws of one subject, which do not depend on how many another one makes."""
    return random.Random(f"{subject} of {seed}")  # noqa: S311 - a history that can be played again, no secret.


def below(choose: random.Random, limit: int) -> int:
    """A number from 0 to `limit` - 1 by exactly one draw; `randrange` takes more for some limits than for others."""
    return int(choose.random() * limit)
