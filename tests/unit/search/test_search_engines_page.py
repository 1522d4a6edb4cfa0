"""docs/search-engines.md says what the built-in engine refuses, all of it, and how far the engines agree."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from airlock.search.v1.search_pb2 import Search

from response_svc.search.embedded.known import HARMLESS, KNOWN
from tests.integration.search.differential.agreement import BEGIN, END, every_case

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "search-engines.md"
ENGINE = ROOT / "response_svc" / "search" / "embedded"
ALWAYS_HARMLESS = {"`auto_generate_synonyms_phrase_query`*", "`collect_mode`*", "`execution_hint`*"}


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
    return str(argument.value) if isinstance(argument, ast.Constant) else "…"


def options() -> dict[str, list[str]]:
    """By message, the options that the engine refuses by their path; with a star those of which a value is harmless."""
    found = {}
    for message in messages(Search.DESCRIPTOR, {}).values():
        if message.name in KNOWN:
            refused = (field for field in message.fields if field.name not in KNOWN[message.name])
            told = (f"`{field.json_name}`{star(message.name, field.name)}" for field in refused)
            found[message.name] = sorted(option for option in told if option not in ALWAYS_HARMLESS)
    return {name: refused for name, refused in found.items() if refused}


def messages(message: Descriptor, found: dict[str, Descriptor]) -> dict[str, Descriptor]:
    """The message and all that it can hold, by name."""
    if message.full_name not in found:
        found[message.full_name] = message
        for inner in (field.message_type for field in message.fields if field.message_type is not None):
            held = inner.fields_by_name["value"].message_type if inner.GetOptions().map_entry else inner
            if held is not None:
                messages(held, found)
    return found


def star(message: str, field: str) -> str:
    return "*" if (message, field) in HARMLESS else ""


def rows() -> list[list[str]]:
    """The cells of the agreement table, without its head."""
    block = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in block.strip().splitlines()[2:]]


def test_every_refusal_is_on_the_page_and_every_one_on_the_page_is_made() -> None:
    listed = re.findall(r"^\| `([^`]+)` \|", PAGE.read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(refusals())


def test_every_option_that_is_refused_is_on_the_page() -> None:
    rows = re.findall(r"^\| (\w+|every other query) \| (`.+`\*?) \|$", PAGE.read_text(), re.MULTILINE)
    listed = {name: sorted(told.split(", ")) for name, told in rows}
    others = listed.pop("every other query")
    expected = {name: told for name, told in options().items() if name in listed or told != others}
    assert listed == expected


def test_the_table_has_every_feature_as_often_as_it_is_asked() -> None:
    asked = Counter(feature for feature, _, _ in every_case())
    assert {row[0]: int(row[1]) for row in rows()} == {**asked, "**all**": asked.total()}


def test_the_engines_agree_on_all_that_is_not_refused() -> None:
    for name, asked, same, refused, differing in rows():
        assert int(asked) == int(same) + int(refused), name
        assert differing == "0", name
