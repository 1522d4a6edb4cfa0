"""The examples and tables of `docs/query-guide.md`: found in its text, and written into it again."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.integration.search.guide_python import python_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from airlock.search.v1.search_pb2 import Search

PAGE = Path(__file__).parents[3] / "docs" / "query-guide.md"
WIDTH = 140
_EXAMPLE = re.compile(
    r"^Ask `(?P<index>\w+)`(?P<only> \(Elasticsearch only\))?:\n\n```json\n(?P<body>.*?)```\n"
    r"(?:\n```python\n(?P<python>.*?)```\n)?(?:\nAnswer:\n\n```json\n(?P<answer>.*?)```\n)?",
    re.MULTILINE | re.DOTALL,
)
_TABLE = re.compile(
    r"^<!-- (?P<kind>options|common|limits|fixed|names|refusals)(?: (?P<names>[\w ]+))? -->\n"
    r"(?P<rows>(?:(?:\||- |  - ).*\n)*)",
    re.MULTILINE,
)
_INCLUDED = re.compile(
    r"^<!-- (?P<what>imports|docs/examples/\w+\.py) -->\n```python\n(?P<code>.*?)```\n", re.MULTILINE | re.DOTALL
)
_REFUSAL = re.compile(
    r"^- to `(?P<index>[^`]+)`: `(?P<body>[^`]+)`\n(?:  - refused.*\n)?  - send `(?P<instead>[^`]+)`\n", re.MULTILINE
)
_NAME = re.compile(r"^\| `(?P<name>[^`]+)` \|", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Example:
    """One search on the page, in both forms, with its answer."""

    index: str
    body: str
    python: str
    answer: str
    elasticsearch_only: bool

    def __str__(self) -> str:
        """As the name of a test shows it."""
        return f"{self.index} {' '.join(self.body.split())[:70]}"

    def text(self) -> str:
        """As the page has it."""
        only = " (Elasticsearch only)" if self.elasticsearch_only else ""
        return (
            f"Ask `{self.index}`{only}:\n\n```json\n{self.body}```\n\n```python\n{self.python}```\n\n"
            f"Answer:\n\n```json\n{self.answer}```\n"
        )

    def with_python(self, search: Search) -> Example:
        """With the search as a typed message."""
        return replace(self, python=python_of(search))

    def with_answer(self, answer: dict[str, Any], *, elasticsearch_only: bool) -> Example:
        """With another answer."""
        return replace(self, answer=pretty(answer) + "\n", elasticsearch_only=elasticsearch_only)


@dataclass(frozen=True, slots=True)
class Table:
    """A table or a list that is made from the code: `<!-- kind names -->` and the rows below it."""

    kind: str
    names: tuple[str, ...]
    rows: str

    def text(self) -> str:
        """As the page has it."""
        return f"<!-- {' '.join((self.kind, *self.names))} -->\n{self.rows}"


@dataclass(frozen=True, slots=True)
class Refused:
    """One of a list of refusals: what is sent, and what to send in its place."""

    index: str
    body: str
    instead: str


def examples(page: str) -> list[Example]:
    """All of them, in order."""
    return [_example(found) for found in _EXAMPLE.finditer(page)]


def tables(page: str) -> list[Table]:
    """All tables that are made from the code."""
    return [_table(found) for found in _TABLE.finditer(page)]


def refused(table: Table) -> Iterator[Refused]:
    """What a list of refusals holds."""
    for row in _REFUSAL.finditer(table.rows):
        yield Refused(row["index"], row["body"], row["instead"])


def names(table: Table) -> list[str]:
    """The first column of a table: names of indices."""
    return _NAME.findall(table.rows)


def cell(text: str) -> str:
    """Words of the program, as they can stand in a table."""
    return code(text).replace("|", "\\|")


def code(text: str) -> str:
    """Words of the program, backticks among them."""
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def with_examples(page: str, change: Callable[[Example], Example]) -> str:
    """The page with each example changed."""
    return _EXAMPLE.sub(lambda found: change(_example(found)).text(), page)


def with_tables(page: str, change: Callable[[Table], Table]) -> str:
    """The page with each table changed."""
    return _TABLE.sub(lambda found: change(_table(found)).text(), page)


def included(page: str) -> dict[str, str]:
    """The code that is no example: the `imports` of all examples, and whole programs by their paths."""
    return {found["what"]: found["code"] for found in _INCLUDED.finditer(page)}


def with_included(page: str, codes: Mapping[str, str]) -> str:
    """The page with other code in these places."""
    return _INCLUDED.sub(lambda found: f"<!-- {found['what']} -->\n```python\n{codes[found['what']]}```\n", page)


def shown(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer as the page shows it: without what differs from run to run, and what engines note of the run."""
    hidden = {"took", "timed_out", "_shards", "terminated_early"}
    return {key: value for key, value in answer.items() if key not in hidden}


def pretty(value: Any, indent: int = 0, room: int = 0) -> str:
    """JSON in which whatever fits into a line stands in one."""
    line = json.dumps(value, ensure_ascii=False)
    if len(line) + indent + room <= WIDTH or not isinstance(value, dict | list) or not value:
        return line
    inner, outer = " " * (indent + 2), " " * indent
    if isinstance(value, list):
        items = [inner + pretty(one, indent + 2) for one in value]
        return "[\n" + ",\n".join(items) + f"\n{outer}]"
    keys = [(json.dumps(key, ensure_ascii=False), one) for key, one in value.items()]
    items = [f"{inner}{key}: {pretty(one, indent + 2, len(key) + 2)}" for key, one in keys]
    return "{\n" + ",\n".join(items) + f"\n{outer}}}"


def _example(found: re.Match[str]) -> Example:
    return Example(
        found["index"], found["body"], found["python"] or "", found["answer"] or "", found["only"] is not None
    )


def _table(found: re.Match[str]) -> Table:
    return Table(found["kind"], tuple((found["names"] or "").split()), found["rows"])
