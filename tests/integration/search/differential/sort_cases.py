"""Orders, pages and shown parts made by hand: for each feature what is likely to be answered in another way."""

from __future__ import annotations

from typing import Any

from tests.integration.search.differential.indices import CITIES, FLIGHTS, HARD

Body = dict[str, Any]

_EVERY_SORT: list[Any] = [
    "count",
    {"count": "desc"},
    {"count": {"missing": "_first"}},
    {"count": {"missing": 5, "order": "desc"}},
    {"count": {"missing": -(2**63)}},
    *[
        {field: {"mode": mode, "order": order}}
        for field in ("count", "ratio", "grade", "created")
        for mode in ("min", "max", "sum", "avg", "median")
        for order in ("asc", "desc")
    ],
    *[{"grade": {"mode": mode, "missing": "_first"}} for mode in ("min", "avg", "median")],
    "ratio",
    {"ratio": "desc"},
    {"ratio": {"missing": 0.2}},
    {"ratio": {"missing": "_first", "order": "desc"}},
    "level",
    {"level": {"order": "desc", "missing": "_first"}},
    "step",
    {"step": {"missing": "_first"}},
    "grade",
    {"grade": {"order": "desc"}},
    "open",
    {"open": "desc"},
    {"open": {"missing": "_first"}},
    "tags",
    {"tags": "desc"},
    {"tags": {"mode": "max"}},
    {"tags": {"mode": "min", "order": "desc"}},
    {"tags": {"missing": "_first"}},
    {"tags": {"missing": "m", "order": "desc"}},
    {"code": {"order": "desc", "missing": "_first"}},
    "title.keyword",
    "place.country",
    {"place.rank": "desc"},
    "parts.size",
    {"parts.label": {"mode": "max", "order": "desc"}},
    "created",
    {"created": "desc"},
    {"created": {"missing": "_first"}},
    {"created": {"missing": 0}},
    {"created": {"missing": "1391212800000", "order": "desc"}},
    {"created": {"format": "yyyy-MM-dd"}},
    {"created": {"format": "strict_date_optional_time", "order": "desc"}},
    {"created": {"format": "epoch_second"}},
    {"created": {"format": "epoch_millis", "missing": 0}},
    {"seen": {"format": "dd/MM/yyyy HH:mm:ss.SSS"}},
    "_doc",
    {"_doc": "desc"},
    {"_score": "asc"},
    "_score",
    {"nowhere": {"unmapped_type": "long"}},
    {"nowhere": {"unmapped_type": "keyword"}},
    ["open", {"level": "desc"}, "seen"],
    [{"place.country": "desc"}, {"ratio": {"missing": "_first"}}, "_doc"],
    [{"level": "asc"}, "_score"],
    ["_score", {"count": "desc"}],
    "_id",
    "title",
    {"tags": {"mode": "sum"}},
    {"count": {"missing": "x"}},
    {"ratio": {"format": "0.0"}},
]

SEARCHES: dict[str, list[tuple[str, Body]]] = {
    "sort": [
        *[(HARD, {"sort": sort, "size": 1000, "_source": False}) for sort in _EVERY_SORT],
        *[
            (HARD, {"sort": sort, "size": 1000, "_source": False, "query": {"match": {"body": "river کتاب"}}})
            for sort in _EVERY_SORT
        ],
        *[
            (CITIES, {"sort": sort, "size": 1000, "_source": False, "track_total_hits": True})
            for sort in (
                {"population": "desc"},
                ["country_code", {"population": "desc"}],
                {"name.keyword": "asc"},
                {"latitude": "desc"},
                {"languages": {"mode": "max", "order": "desc"}},
            )
        ],
        *[
            (FLIGHTS, {"sort": sort, "size": 1000, "from": 500, "_source": False, "query": {"term": {"origin": "LGA"}}})
            for sort in (
                {"departure_delay": "desc"},
                {"air_time": {"missing": "_first"}},
                ["carrier", {"scheduled_departure": "desc"}],
                {"miles_per_hour": {"order": "desc"}},
            )
        ],
    ],
    "size, from, track_total_hits": [
        (index, {"query": query} | page)
        for index, query in (
            (HARD, {"match": {"body": "river"}}),
            (FLIGHTS, {"match_all": {}}),
            (HARD, {"match": {"body": "nothing"}}),
            (CITIES, {"term": {"continent": "Asia"}}),
        )
        for page in (
            {},
            {"size": 0},
            {"size": 3},
            {"from": 5, "size": 5},
            {"from": 9000, "size": 1000},
            {"size": 1, "track_total_hits": True},
            {"size": 1, "track_total_hits": False},
            {"size": 1, "track_total_hits": 7},
            {"size": 0, "track_total_hits": 1},
            {"size": 1, "track_total_hits": 1_000_000},
            {"size": 0, "track_total_hits": False},
        )
    ],
    "_source": [
        (HARD, {"sort": "_doc", "size": 40, "_source": shown})
        for shown in (
            True,
            False,
            "title",
            ["title", "place.*"],
            ["pl*"],
            ["*.name"],
            ["parts"],
            ["parts.label"],
            ["parts.*"],
            {"includes": ["p*"], "excludes": ["*.label", "place.rank"]},
            {"excludes": ["*"]},
            {"excludes": ["title", "parts.size"]},
            ["nowhere"],
            ["*"],
            {"includes": ["parts"], "excludes": ["parts"]},
            "title.keyword",
            [],
            ["place."],
            [".*"],
            ["t*s", "c?de"],
            {"excludes": ["place.*"]},
            {"includes": ["*.*"]},
            ["place.name.x"],
        )
    ],
    "highlight": [(HARD, {"query": {"match": {"title": "river"}}, "highlight": {"fields": {"title": {}}}})],
}
