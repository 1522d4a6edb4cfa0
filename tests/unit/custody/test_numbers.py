"""Sets of numbers as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer.custody.numbers import MAX_NUMBERS, format_numbers, parse_numbers


@given(st.sets(st.integers(1, 2**63 - 1), min_size=1, max_size=50))
def test_what_is_written_reads_back(numbers: set[int]) -> None:
    assert parse_numbers(format_numbers(numbers)) == sorted(numbers)


def test_ranges_and_spaces_and_repeats_are_understood() -> None:
    assert parse_numbers("118-121, 130,119") == [118, 119, 120, 121, 130]
    assert format_numbers([130, 118, 119, 121, 120]) == "118-121,130"


@pytest.mark.parametrize(
    "text", ["", "0", "-3", "3-", "a", "9-7", "1,,2", "٣", "1.5", f"{2**63}", f"1-{MAX_NUMBERS + 1}"]
)
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"write them as|ends before|numbers are named"):
        parse_numbers(text)
