"""The demo asks what it promises: 200 questions, every kind, both indices, Persian among them, over small real data."""

from __future__ import annotations

from collections import Counter

from common.search.body import read_body
from common.search.kind import query_type
from common.search.limits import QueryLimits, check_search
from sandbox.dataset import DATA, MAPPINGS, documents
from sandbox.demo_queries import COUNT, questions

KINDS = {"match", "multi_match", "match_phrase", "term", "terms", "range", "bool", "wildcard", "fuzzy", "prefix"}
AGGREGATIONS = {
    *("terms", "avg", "min", "max", "sum", "stats", "value_count", "cardinality", "percentiles", "histogram"),
    *("date_histogram", "range", "date_range", "filter", "filters", "missing"),
}
MEGABYTES_OF_DATA = 2


def test_there_are_200_different_questions_of_every_kind_over_both_indices() -> None:
    asked = questions()
    searches = [read_body(question.body) for question in asked]
    for search in searches:
        check_search(search, QueryLimits())
    assert len({(question.index, question.body) for question in asked}) == COUNT
    kinds = Counter(query_type(search) for search in searches)
    assert kinds.keys() >= KINDS | {"aggregation", "exists", "ids", "match_all"}
    used = {kind.name for search in searches for one in search.aggs.values() for kind, _ in one.ListFields()}
    assert used - {"aggs"} == AGGREGATIONS
    assert {question.index for question in asked} == set(MAPPINGS)
    assert any("تهران".encode() in question.body for question in asked)


def test_the_data_is_small_and_names_its_sources() -> None:
    assert sum(path.stat().st_size for path in DATA.glob("*.zst")) < MEGABYTES_OF_DATA * 2**20
    attribution = (DATA / "ATTRIBUTION.md").read_text()
    assert "GeoNames" in attribution
    assert "CC0" in attribution


def test_every_document_fits_its_mapping() -> None:
    for index, mapping in MAPPINGS.items():
        fields = set(mapping["properties"])
        ids = set()
        for document in documents(index):
            ids.add(document.pop("_id"))
            assert set(document) <= fields
        assert len(ids) == sum(1 for _ in documents(index))
