"""`docs/query-guide.md` holds: each search is read, said in Python, asked and answered as the page shows.

Set GUIDE=write to put the present Python, answers and tables into the page; those that only Elasticsearch gives are
written where ELASTICSEARCH_TEST_URL names one.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airlock.search.v1.aggregation_pb2 import Aggregation
from airlock.search.v1.query_pb2 import Query

from common.errors import AirlockError
from common.policy.index import AllowedIndex
from common.policy.limits import BASIC, effective
from common.policy.policy import Policy
from common.policy.profile_type import ProfileType
from common.search.body import read_body
from common.search.normal import normal_form
from common.search.permitted import check_permitted, permitted_index
from common.search.shapes import shape_of
from response_svc.search.answers import EngineRefusedError, UnsupportedQueryError
from response_svc.search.embedded import EmbeddedEngine
from sandbox.dataset import MAPPINGS, ElasticsearchServer, load_elasticsearch, load_embedded
from sandbox.elasticsearch import USERNAME
from tests.integration.search.guide_limits import fixed_rows, limit_rows
from tests.integration.search.guide_options import common_rows, option_rows
from tests.integration.search.guide_page import (
    PAGE,
    Example,
    Refused,
    Table,
    cell,
    code,
    examples,
    included,
    names,
    refused,
    shown,
    tables,
    with_examples,
    with_included,
    with_tables,
)
from tests.integration.search.guide_python import imports_for, message_of
from tests.integration.search.test_engine_contract import difference

if TYPE_CHECKING:
    from airlock.search.v1.search_pb2 import Search

    from response_svc.ports import SearchEngine
    from response_svc.search.elasticsearch import ElasticsearchEngine

ROOT = Path(__file__).parents[3]
PREMIUM = ProfileType("premium", effective(BASIC, None))
"""That of the analyst whom `make up` makes."""
WRITING = os.environ.get("GUIDE") == "write"
MAX_BYTES = 1024 * 1024
TEXT = PAGE.read_text()
EXAMPLES = examples(TEXT)
REFUSED = [row for table in tables(TEXT) if table.kind == "refusals" for row in refused(table)]


@pytest.fixture(scope="session")
def built_in(tmp_path_factory: pytest.TempPathFactory) -> EmbeddedEngine:
    """The built-in engine with the demo's data."""
    folder = tmp_path_factory.mktemp("demo")
    load_embedded(folder)
    return EmbeddedEngine(folder)


@pytest.fixture(scope="session")
def loaded(elasticsearch_url: str) -> None:
    """The sample's indices are on the server. They stay there: another run or a sandbox may be using them too."""
    password = os.environ.get("ELASTICSEARCH_TEST_PASSWORD", "")
    load_elasticsearch(ElasticsearchServer(elasticsearch_url, USERNAME if password else "", password))


@pytest.fixture
def real(loaded: None, elasticsearch: ElasticsearchEngine) -> ElasticsearchEngine:
    """Elasticsearch with the demo's data."""
    del loaded
    return elasticsearch


async def policy_of(engine: SearchEngine) -> Policy:
    """The demo's indices, as an admin has allowed them."""
    return Policy(indices={name: AllowedIndex(name, "", await engine.fields(name)) for name in MAPPINGS})


async def as_asked(engine: SearchEngine, index: str, body: str) -> Search:
    """The search as it leaves for the other network."""
    policy = await policy_of(engine)
    allowed = permitted_index(index, policy, None, without_any="")
    search = read_body(body.encode())
    check_permitted(search, allowed, policy, None)
    return search


async def answered(engine: SearchEngine, index: str, body: str) -> dict[str, Any]:
    """The answer as the page shows it."""
    search = await as_asked(engine, index, body)
    answer = await engine.search(index, search, timeout_seconds=30, max_bytes=MAX_BYTES, accept_partial=False)
    return shown(json.loads(answer.body))


def unlike(page: Any, answer: Any) -> str | None:
    """Where the page and an answer differ; percentiles may by a hundredth, since each engine approximates them."""
    return difference(page, _settled(page, answer))


def _settled(page: Any, answer: Any) -> Any:
    if isinstance(page, dict) and isinstance(answer, dict):
        if set(page) == set(answer) == {"values"} and isinstance(page["values"], dict):
            near = page["values"] == pytest.approx(answer["values"], rel=0.01)
            return page if near else answer
        return {key: _settled(page.get(key), value) for key, value in answer.items()}
    return answer


async def refusal(engine: SearchEngine, index: str, body: str) -> str:
    """A refusal's own words, and whether they cost a trip."""
    try:
        answer = await answered(engine, index, body)
    except AirlockError as error:
        return f"refused: {code(error.message)}"
    except EngineRefusedError as error:
        return f"refused after the trip: {code(error.message)}"
    raise AssertionError(f"{body} is not refused: {answer}")


async def name_refusal(engine: SearchEngine, name: str) -> str:
    with pytest.raises(AirlockError) as error:
        permitted_index(name, await policy_of(engine), PREMIUM, without_any="")
    return cell(error.value.message)


async def rows(engine: SearchEngine, table: Table) -> str:
    """What a table holds by the present code."""
    match table.kind:
        case "options":
            return option_rows(*table.names)
        case "common":
            return common_rows()
        case "limits":
            return limit_rows()
        case "fixed":
            return fixed_rows()
        case "names":
            told = [f"| `{name}` | {await name_refusal(engine, name)} |\n" for name in names(table)]
            return "| index | the answer |\n|---|---|\n" + "".join(told)
        case "refusals":
            told = [
                f"- to `{row.index}`: `{row.body}`\n  - {await refusal(engine, row.index, row.body)}\n"
                f"  - send `{row.instead}`\n"
                for row in refused(table)
            ]
            return "".join(told)
    raise AssertionError(table.kind)


async def rewritten(engine: SearchEngine, example: Example, *, is_real: bool) -> Example:
    """The example with the present Python and answer. One that the built-in engine cannot give is left to the other."""
    example = example.with_python(read_body(example.body.encode()))
    try:
        answer = await answered(engine, example.index, example.body)
    except UnsupportedQueryError:
        return example.with_answer(json.loads(example.answer or "{}"), elasticsearch_only=True)
    if is_real and not example.elasticsearch_only:
        return example
    return example.with_answer(answer, elasticsearch_only=is_real)


async def write(engine: SearchEngine, *, is_real: bool) -> None:
    """Puts the present Python and answers into the page."""
    page = PAGE.read_text()
    new = {example: await rewritten(engine, example, is_real=is_real) for example in examples(page)}
    page = with_examples(page, new.__getitem__)
    imports = imports_for([example.python for example in new.values()])
    PAGE.write_text(with_included(page, programs() | {"imports": imports}))


def programs() -> dict[str, str]:
    """The programs that the page shows whole."""
    return {what: (ROOT / what).read_text() for what in included(PAGE.read_text()) if what != "imports"}


async def test_every_table_is_what_the_code_says(built_in: EmbeddedEngine) -> None:
    if WRITING:
        await write(built_in, is_real=False)
    page = PAGE.read_text()
    fresh = {table: replace(table, rows=await rows(built_in, table)) for table in tables(page)}
    if WRITING:
        PAGE.write_text(with_tables(page, fresh.__getitem__))
    for table in tables(PAGE.read_text()):
        assert table.rows == fresh.get(table, table).rows, f"{table.kind} {table.names}: set GUIDE=write"


def test_every_program_is_the_file_that_it_names() -> None:
    shown_programs = included(PAGE.read_text())
    assert shown_programs | programs() == shown_programs


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_an_examples_python_says_what_its_json_says(example: Example) -> None:
    message = message_of(example.python, included(TEXT)["imports"])
    assert normal_form(message) == normal_form(read_body(example.body.encode()))


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
async def test_an_answer_is_the_built_in_engines(built_in: EmbeddedEngine, example: Example) -> None:
    if example.elasticsearch_only:
        with pytest.raises(UnsupportedQueryError):
            await answered(built_in, example.index, example.body)
        return
    answer = await answered(built_in, example.index, example.body)
    assert unlike(json.loads(example.answer), answer) is None


@pytest.mark.elasticsearch
async def test_answers_that_only_elasticsearch_gives_are_written(real: ElasticsearchEngine) -> None:
    if WRITING:
        await write(real, is_real=True)


@pytest.mark.elasticsearch
@pytest.mark.parametrize("example", EXAMPLES, ids=str)
async def test_an_answer_is_elasticsearchs(real: ElasticsearchEngine, example: Example) -> None:
    answer = await answered(real, example.index, example.body)
    assert unlike(json.loads(example.answer), answer) is None


@pytest.mark.parametrize("row", REFUSED, ids=lambda row: row.body[:80])
async def test_what_is_to_be_sent_in_place_of_something_refused_is_answered(
    built_in: EmbeddedEngine, row: Refused
) -> None:
    assert await answered(built_in, row.index, row.instead)


@pytest.mark.elasticsearch
@pytest.mark.parametrize("row", REFUSED, ids=lambda row: row.body[:80])
async def test_what_is_refused_is_refused_with_elasticsearch_too(real: ElasticsearchEngine, row: Refused) -> None:
    assert await refusal(real, row.index, row.body)
    assert await answered(real, row.index, row.instead)


def kinds(message: type[Query | Aggregation]) -> list[str]:
    """What exactly one of is in a message."""
    shape = shape_of(message.DESCRIPTOR.name)
    return sorted(shape.exactly_one_of)


@pytest.mark.parametrize(("message", "chapter"), [(Query, "Queries"), (Aggregation, "Aggregations")])
def test_every_kind_has_its_place_and_an_example(message: type[Query | Aggregation], chapter: str) -> None:
    text = TEXT.split(f"\n## {chapter}\n", 1)[1].split("\n## ", 1)[0]
    sections = re.split(r"^### ", text, flags=re.MULTILINE)[1:]
    titled = {kind: section for section in sections for kind in re.findall(r"`(\w+)`", section.splitlines()[0])}
    assert sorted(titled) == kinds(message)
    for kind, section in titled.items():
        assert any(f'"{kind}":' in example.body for example in examples(section)), kind
        options = shape_of(message.DESCRIPTOR.name).by_name[kind].message
        assert options == "Query" or options in {table.names[0] for table in tables(section) if table.names}, kind


def test_every_part_of_a_search_that_has_options_of_its_own_has_an_example() -> None:
    asked = {key for example in EXAMPLES for key in json.loads(example.body)}
    assert {field.json_name for field in shape_of("Search").by_name.values() if field.message} <= asked


def test_every_link_within_the_page_leads_somewhere() -> None:
    outside_code = re.sub(r"^```.*?^```", "", TEXT, flags=re.MULTILINE | re.DOTALL)
    seen: Counter[str] = Counter()
    anchors = set()
    for title in re.findall(r"^#+ (.*)$", outside_code, re.MULTILINE):
        anchor = re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
        # The second heading of a name gets a number, as GitHub counts.
        anchors.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    assert set(re.findall(r"\]\(#([^)]+)\)", outside_code)) <= anchors
