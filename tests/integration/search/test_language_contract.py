"""Elasticsearch can read whatever passes the checks before the trip: each option of the language, and random searches.

It may still refuse a search for what only its documents or its mapping tell, such as too many buckets.
"""

from __future__ import annotations

import json
import os
from random import Random
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from common.errors import AirlockError
from common.policy.index import AllowedIndex
from common.policy.policy import Policy
from common.search.body import read_body
from common.search.emit import emit_body
from common.search.permitted import check_permitted
from sandbox.elasticsearch import USERNAME
from tests.generated_searches import FIELDS_OF_LANGUAGE, Fields, SearchMaker, messages_below

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airlock.search.v1.search_pb2 import Search

pytestmark = pytest.mark.elasticsearch

SEARCHES = 300
MOST_SEEDS = 5_000
TYPES = {
    "title": "text",
    "title.keyword": "keyword",
    "words": "text",
    "tags": "keyword",
    "views": "long",
    "rank": "integer",
    "price": "double",
    "published": "date",
    "open": "boolean",
    "address": "ip",
}
MAPPING = {
    "properties": {name: {"type": kind} for name, kind in TYPES.items() if "." not in name}
    | {
        "title": {"type": "text", "fields": {"keyword": {"type": "keyword"}}},
        "words": {"type": "text", "term_vector": "with_positions_offsets"},
    }
}
# What no random search says of this mapping: asked by hand below.
BY_HAND: list[dict[str, Any]] = [
    {
        "query": {"match": {"words": "san"}},
        "highlight": {"fields": {"words": {"type": "fvh", "boundary_scanner": "chars", "fragment_size": 18}}},
    },
    {"size": 0, "aggs": {"a": {"percentiles": {"field": "rank", "hdr": {"number_of_significant_value_digits": 3}}}}},
    {"query": {"term": {"views": 2**64 - 1}}},
]
FROM_DOCUMENTS = ("Trying to create too many buckets",)


@pytest.fixture(scope="module")
def client(index: str) -> Iterator[httpx.Client]:
    """Elasticsearch with an index of every type; the path of a search is `_search`."""
    url = os.environ.get("ELASTICSEARCH_TEST_URL")
    if not url:
        pytest.skip(reason="no real Elasticsearch is named in ELASTICSEARCH_TEST_URL")
    password = os.environ.get("ELASTICSEARCH_TEST_PASSWORD")
    auth = httpx.BasicAuth(USERNAME, password) if password else None
    name = f"{index}-language"
    with httpx.Client(base_url=f"{url}/{name}/", auth=auth, timeout=60) as opened:
        opened.put("", json={"settings": {"number_of_replicas": 0}, "mappings": MAPPING}).raise_for_status()
        lines: list[dict[str, Any]] = []
        for number in range(40):
            lines += [{"index": {}}, document(number)]
        body = "".join(f"{json.dumps(line)}\n" for line in lines).encode()
        headers = {"content-type": "application/x-ndjson"}
        assert not opened.post("_bulk?refresh=true", content=body, headers=headers).json()["errors"]
        yield opened
        opened.delete("").raise_for_status()


def document(number: int) -> dict[str, Any]:
    return {
        "title": ("san jose", "تهران پایتخت", "alpha beta x")[number % 3],
        "words": "san jose x",
        "tags": ["a", "Z", "تهران"][: number % 4],
        "views": (0, 1, 2**53 + 1)[number % 3],
        "rank": number % 7,
        "price": number * 1.25,
        "published": f"2013-{1 + number % 12:02}-{1 + number % 28:02}",
        "open": number % 3 == 0,
        "address": f"10.0.0.{number}",
    }


def refused(client: httpx.Client, body: bytes) -> str | None:
    """What the server refuses a body for, if it does."""
    answer = client.post("_search", content=body, headers={"content-type": "application/json"})
    if answer.status_code == httpx.codes.OK:
        return None
    reason = json.dumps(answer.json(), ensure_ascii=False)
    return None if any(told in reason for told in FROM_DOCUMENTS) else f"{body.decode()}: {reason[:500]}"


def permitted(search: Search) -> bool:
    try:
        check_permitted(search, AllowedIndex("fields", "", TYPES), Policy(), None)
    except AirlockError:
        return False
    return True


def made(seed: int) -> Search:
    random = Random(seed)
    depth, density = random.choice((0, 1, 2)), random.choice((0.1, 0.35))
    return SearchMaker(random, Fields(TYPES), depth=depth, density=density).search()


def test_random_searches_that_pass_the_checks_are_read_by_the_server(client: httpx.Client) -> None:
    searches = [search for search in map(made, range(SEARCHES)) if permitted(search)]
    assert len(searches) > SEARCHES * 0.95
    found = [reason for search in searches if (reason := refused(client, emit_body(search)))]
    assert found == []


def test_each_option_of_the_language_is_read_by_the_server(client: httpx.Client) -> None:
    waiting = set(FIELDS_OF_LANGUAGE)
    found = []
    for seed in range(SEARCHES, MOST_SEEDS):
        search = made(seed)
        new = waiting & set_in(search)
        if new and permitted(search):
            waiting -= new
            found.append(refused(client, emit_body(search)))
    found += [refused(client, json.dumps(body).encode()) for body in BY_HAND]
    assert [reason for reason in found if reason] == []
    assert waiting <= set_by_hand()


def set_by_hand() -> set[tuple[str, str]]:
    return set().union(*(set_in(read_body(json.dumps(body).encode())) for body in BY_HAND))


def set_in(search: Search) -> set[tuple[str, str]]:
    return {(part.DESCRIPTOR.name, field.name) for part in messages_below(search) for field, _ in part.ListFields()}
