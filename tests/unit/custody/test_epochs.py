"""Which number an epoch has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from transfer.custody.epochs import MAX_AHEAD, next_epoch, require_plausible
from transfer.custody.errors import ImplausibleEpochError

SECOND = 1_767_225_600
NOW = datetime.fromtimestamp(SECOND, UTC)


@pytest.mark.parametrize(
    ("present", "highest_seen", "begun"),
    [
        (0, 0, SECOND),
        (SECOND - 1, SECOND - 1, SECOND),
        # Declared twice in one second, or by a clock that was set back.
        (SECOND, 0, SECOND + 1),
        (SECOND + 500, 0, SECOND + 501),
        # The other network declared one that nobody accepted here.
        (SECOND - 9, SECOND + 500, SECOND + 501),
    ],
)
def test_an_epoch_is_the_second_of_its_declaration_and_later_than_any_seen(
    present: int, highest_seen: int, begun: int
) -> None:
    assert next_epoch(NOW, present, highest_seen) == begun


def test_an_epoch_further_ahead_than_clocks_differ_is_refused() -> None:
    limit = NOW + MAX_AHEAD
    require_plausible(int(limit.timestamp()), NOW)
    with pytest.raises(ImplausibleEpochError, match="more than 30 days ahead"):
        require_plausible(int((limit + timedelta(seconds=1)).timestamp()), NOW)
