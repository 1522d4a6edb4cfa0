"""Ctrl-C is never lost, even where the error that it raises is."""

from __future__ import annotations

import pytest

from sandbox import signals
from sandbox.screen import Screen


def test_a_stop_whose_error_got_lost_is_raised_again_at_the_next_step() -> None:
    screen = Screen()
    screen.line("a step")
    signals.requested.set()
    try:
        with pytest.raises(signals.StopRequestedError):
            screen.line("the next step")
    finally:
        signals.requested.clear()
