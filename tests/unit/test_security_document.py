"""Every claim of the security page names a test, and every test that it names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
NAMED = sorted(set(re.findall(r"tests/[a-z0-9_/]+\.py(?:::[a-z0-9_]+)?", PAGE)))


@pytest.mark.parametrize("named", NAMED)
def test_a_named_test_is_there(named: str) -> None:
    path, _, function = named.partition("::")
    assert (ROOT / path).is_file()
    assert re.search(rf"def {function or 'test_'}", (ROOT / path).read_text())


@pytest.mark.parametrize("title", ["Against whom", "OWASP API Security Top 10 (2023)"])
def test_every_row_is_shown_by_a_test(title: str) -> None:
    table = PAGE.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert rows
    assert [row for row in rows if not re.search(r"tests/\S+\.py", row.rsplit("|", 2)[-2])] == []


def test_all_ten_items_of_owasp_have_their_row() -> None:
    assert re.findall(r"^\| (API\d+) ", PAGE, re.MULTILINE) == [f"API{number}" for number in range(1, 11)]
