"""docs/search-engines.md says what the built-in engine refuses, all of it, and how far the engines agree."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

from tests.integration.search.differential.agreement import BEGIN, END, every_case

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "search-engines.md"
ENGINE = ROOT / "response_svc" / "search" / "embedded"


def refusals() -> set[str]:
    """What the code refuses by name; `…` stands for what differs from search to search."""
    calls = (node for file in ENGINE.glob("*.py") for node in ast.walk(ast.parse(file.read_text())))
    return {
        told(call.args[0])
        for call in calls
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "unsupported"
    }


def told(argument: ast.expr) -> str:
    if isinstance(argument, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "…" for part in argument.values)
    assert isinstance(argument, ast.Constant), "a refusal is named where it is made"
    return str(argument.value)


def rows() -> list[list[str]]:
    """The cells of the agreement table, without its head."""
    block = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in block.strip().splitlines()[2:]]


def test_every_refusal_is_on_the_page_and_every_one_on_the_page_is_made() -> None:
    listed = re.findall(r"^\| `([^`]+)` \|", PAGE.read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(refusals())


def test_the_table_has_every_feature_as_often_as_it_is_asked() -> None:
    asked = Counter(feature for feature, _, _ in every_case())
    assert {row[0]: int(row[1]) for row in rows()} == {**asked, "**all**": asked.total()}


def test_the_engines_agree_on_all_that_is_not_refused() -> None:
    for name, asked, same, refused, differing in rows():
        assert int(asked) == int(same) + int(refused), name
        assert differing == "0", name
