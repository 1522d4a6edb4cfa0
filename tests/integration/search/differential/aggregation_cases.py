"""Aggregations made by hand: for each feature what is likely to be answered in another way."""

from __future__ import annotations

from typing import Any

from tests.integration.search.differential.indices import CITIES, FLIGHTS, HARD

Body = dict[str, Any]

_FIELDS = ("count", "level", "step", "grade", "ratio", "created", "open", "parts.size", "nowhere")
_METRICS = ("avg", "min", "max", "sum", "stats", "value_count", "cardinality")
_SUB = {"n": {"value_count": {"field": "tags"}}, "mean": {"avg": {"field": "grade"}}}

AGGREGATIONS: dict[str, list[tuple[str, Body]]] = {
    "avg, min, max, sum, stats, value_count": [
        *[(HARD, {kind: {"field": field}}) for kind in _METRICS[:-1] for field in _FIELDS],
        *[
            (HARD, {kind: {"field": field, "missing": missing}})
            for kind in _METRICS[:-1]
            for field, missing in (
                ("level", 10),
                ("ratio", 0.5),
                ("ratio", -0.0),
                ("count", 1),
                ("created", "2013-01-01"),
                ("created", 0),
                ("open", True),
                ("grade", "7"),
            )
        ],
        *[
            (HARD, {kind: {"field": "created", "format": said}})
            for kind in ("min", "max", "avg", "stats")
            for said in ("yyyy-MM", "epoch_second", "strict_date_optional_time")
        ],
        *[(HARD, {"value_count": {"field": field}}) for field in ("tags", "code", "title.keyword", "place.country")],
        *[
            (CITIES, {kind: {"field": field}})
            for kind in _METRICS[:-1]
            for field in ("population", "latitude", "is_capital")
        ],
        *[
            (FLIGHTS, {kind: {"field": field}})
            for kind in _METRICS[:-1]
            for field in ("miles_per_hour", "departure_delay", "scheduled_departure")
        ],
        (HARD, {"sum": {"field": "ratio", "format": "0.00"}}),
    ],
    "cardinality": [
        *[(HARD, {"cardinality": {"field": field}}) for field in (*_FIELDS, "tags", "code", "title.keyword")],
        *[
            (HARD, {"cardinality": {"field": field, "missing": missing}})
            for field, missing in (("tags", "none"), ("level", 99), ("created", "2013-01-01"))
        ],
        *[
            (CITIES, {"cardinality": {"field": field}})
            for field in ("country_code", "timezone", "languages", "is_capital")
        ],
        *[
            (FLIGHTS, {"cardinality": {"field": field}})
            for field in ("carrier", "destination", "flight_number", "tail_number", "distance_miles")
        ],
        *[
            (index, {"cardinality": {"field": field} | option})
            for index, field in ((CITIES, "population"), (CITIES, "name.keyword"), (FLIGHTS, "scheduled_departure"))
            for option in ({}, {"precision_threshold": 40000}, {"precision_threshold": 100})
        ],
        (HARD, {"cardinality": {"field": "seen", "precision_threshold": 10}}),
        (HARD, {"cardinality": {"field": "tags", "precision_threshold": 0}}),
    ],
    "percentiles": [
        *[
            (HARD, {"percentiles": {"field": field} | option})
            for field in ("count", "level", "grade", "ratio", "created", "parts.size", "nowhere", "open", "seen")
            for option in (
                {},
                {"percents": [0, 0.1, 33.3, 99.9, 100]},
                {"percents": [50, 1], "keyed": False},
                {"percents": [1e-9, 12.345678901]},
            )
        ],
        (HARD, {"percentiles": {"field": "grade", "missing": 3}}),
        (HARD, {"percentiles": {"field": "created", "missing": "2013-01-01"}}),
        *[
            (index, {"percentiles": {"field": field, "percents": [0, 1, 5, 25, 50, 75, 95, 99, 99.9, 100]}})
            for index, field in (
                (CITIES, "population"),
                (CITIES, "latitude"),
                (CITIES, "longitude"),
                (FLIGHTS, "departure_delay"),
                (FLIGHTS, "arrival_delay"),
                (FLIGHTS, "air_time"),
                (FLIGHTS, "distance_miles"),
                (FLIGHTS, "miles_per_hour"),
                (FLIGHTS, "scheduled_departure"),
                (FLIGHTS, "flight_number"),
            )
        ],
        (FLIGHTS, {"percentiles": {"field": "air_time", "missing": -5}}),
    ],
    "terms (buckets)": [
        *[
            (HARD, {"terms": {"field": field} | option})
            for field in ("tags", "count", "level", "ratio", "created", "open", "code", "parts.label", "place.country")
            for option in (
                {},
                {"size": 3},
                {"size": 100},
                {"order": {"_key": "desc"}, "size": 4},
                {"order": {"_key": "asc"}, "size": 4},
                {"order": {"_count": "asc"}},
                {"size": 2, "shard_size": 4},
                {"min_doc_count": 10, "size": 50},
                {"min_doc_count": 10, "size": 3, "order": {"_key": "asc"}},
            )
        ],
        *[
            (HARD, {"terms": {"field": field, "min_doc_count": 0, "size": 100} | option})
            for field in ("tags", "level", "ratio", "open", "created")
            for option in ({}, {"order": {"_key": "asc"}}, {"size": 3})
        ],
        *[
            (HARD, {"terms": {"field": field, "missing": missing, "size": size}})
            for size in (3, 100)
            for field, missing in (
                ("tags", "none"),
                ("tags", "a"),
                ("level", 99),
                ("level", -2),
                ("ratio", 0.25),
                ("open", True),
                ("created", "2013-01-01"),
                ("count", 0),
                ("tags", ""),
            )
        ],
        (HARD, {"terms": {"field": "nowhere"}}),
        (HARD, {"terms": {"field": "nowhere", "missing": "x"}}),
        (HARD, {"terms": {"field": "title"}}),
        (HARD, {"terms": {"field": "place"}}),
        *[
            (CITIES, {"terms": {"field": field, "size": size}})
            for field in ("country_code", "languages", "population", "timezone", "is_capital", "country.keyword")
            for size in (1, 10, 500)
        ],
        *[
            (FLIGHTS, {"terms": {"field": field, "size": size, "order": order}})
            for field in ("carrier", "destination", "tail_number", "flight_number")
            for size in (5, 300)
            for order in ({"_count": "desc"}, {"_key": "desc"}, [{"_count": "asc"}, {"_key": "asc"}])
        ],
    ],
    "terms (buckets): order by a figure": [
        *[
            (HARD, {"terms": {"field": field, "size": size, "order": {path: way}}, "aggs": aggs})
            for field in ("tags", "level", "open")
            for size in (2, 50)
            for way in ("asc", "desc")
            for path, aggs in (
                ("x", {"x": {"avg": {"field": "grade"}}}),
                ("x", {"x": {"max": {"field": "created"}}}),
                ("x.sum", {"x": {"stats": {"field": "grade"}}}),
                ("x", {"x": {"cardinality": {"field": "tags"}}}),
                ("x.50", {"x": {"percentiles": {"field": "grade"}}}),
                ("x>y", {"x": {"filter": {"term": {"open": True}}, "aggs": {"y": {"sum": {"field": "grade"}}}}}),
                ("x", {"x": {"missing": {"field": "tags"}}}),
            )
        ],
        (
            FLIGHTS,
            {
                "terms": {"field": "carrier", "size": 5, "order": {"late": "desc"}},
                "aggs": {"late": {"avg": {"field": "arrival_delay"}}},
            },
        ),
        (
            CITIES,
            {
                "terms": {"field": "country_code", "size": 5, "order": [{"all": "desc"}, {"_key": "asc"}]},
                "aggs": {"all": {"sum": {"field": "population"}}},
            },
        ),
    ],
    "histogram": [
        *[
            (HARD, {"histogram": {"field": field, "interval": interval} | option})
            for field, interval in (("level", 2), ("grade", 7), ("step", 1.5), ("parts.size", 0.5))
            for option in (
                {},
                {"min_doc_count": 1},
                {"offset": 1},
                {"offset": -0.25, "min_doc_count": 2},
                {"keyed": True},
                {"order": {"_key": "desc"}},
                {"order": {"_count": "asc"}},
                {"missing": -7},
                {"extended_bounds": {"min": -10, "max": 10}},
                {"hard_bounds": {"min": -2, "max": 3}},
                {"extended_bounds": {"min": 0}},
                {"hard_bounds": {"max": 0}},
                {"min_doc_count": 0, "missing": 30},
            )
        ],
        *[
            (HARD, {"histogram": {"field": "ratio", "interval": interval, "min_doc_count": 1} | option})
            for interval in (0.1, 0.3, 1, 1e6, 7.7)
            for option in ({}, {"offset": 0.05}, {"keyed": True})
        ],
        (HARD, {"histogram": {"field": "count", "interval": 1000, "min_doc_count": 1}}),
        (HARD, {"histogram": {"field": "count", "interval": 1e15, "min_doc_count": 1, "keyed": True}}),
        (HARD, {"histogram": {"field": "created", "interval": 86400000, "min_doc_count": 1}}),
        (HARD, {"histogram": {"field": "open", "interval": 1}}),
        (HARD, {"histogram": {"field": "ratio", "interval": 1}}),
        (HARD, {"histogram": {"field": "level", "interval": 2, "offset": 5}}),
        (
            HARD,
            {
                "histogram": {"field": "level", "interval": 3, "min_doc_count": 0, "order": {"_count": "desc"}},
                "aggs": _SUB,
            },
        ),
        *[
            (CITIES, {"histogram": {"field": field, "interval": interval}})
            for field, interval in (("latitude", 10), ("longitude", 0.7), ("population", 1_000_000), ("latitude", 3.3))
        ],
        *[
            (FLIGHTS, {"histogram": {"field": field, "interval": interval} | option})
            for field, interval in (("departure_delay", 15), ("miles_per_hour", 33.3), ("air_time", 60))
            for option in ({}, {"offset": 5, "min_doc_count": 3})
        ],
    ],
    "date_histogram: calendar_interval": [
        *[
            (HARD, {"date_histogram": {"field": "seen", "calendar_interval": unit} | option})
            for unit in ("hour", "day", "week", "month", "quarter", "year")
            for option in (
                {"min_doc_count": 1},
                {"min_doc_count": 1, "time_zone": "Europe/Paris"},
                {"min_doc_count": 1, "time_zone": "Asia/Tehran"},
                {"min_doc_count": 1, "time_zone": "-05:00", "format": "yyyy-MM-dd HH:mm"},
                {"min_doc_count": 1, "offset": "+6h"},
                {"min_doc_count": 1, "offset": "-90m", "time_zone": "America/New_York"},
            )
        ],
        *[
            (HARD, {"date_histogram": {"field": "seen", "calendar_interval": unit} | option})
            for unit in ("day", "week", "month", "quarter", "year")
            for option in (
                {},
                {"time_zone": "America/New_York"},
                {"time_zone": "Asia/Tehran", "keyed": True},
                {"offset": "1d"},
                {"order": {"_count": "desc"}},
                {"order": {"_key": "desc"}, "min_doc_count": 3},
                {"extended_bounds": {"min": "2012-11-05", "max": "2014-02-01"}},
                {"missing": "2013-06-01"},
                {"time_zone": "Europe/Paris", "extended_bounds": {"min": "2013-01-01"}},
            )
        ],
        *[
            (
                HARD,
                {
                    "date_histogram": {
                        "field": "created",
                        "calendar_interval": unit,
                        "min_doc_count": 1,
                        "time_zone": zone,
                    }
                },
            )
            for unit in ("minute", "hour", "day", "week", "month", "year")
            for zone in ("UTC", "America/New_York", "Europe/Paris", "Asia/Tehran", "+05:45", "Pacific/Apia")
        ],
        (
            HARD,
            {
                "date_histogram": {
                    "field": "seen",
                    "calendar_interval": "1M",
                    "hard_bounds": {"min": "2013-03", "max": "2013-05"},
                }
            },
        ),
        (
            FLIGHTS,
            {
                "date_histogram": {
                    "field": "scheduled_departure",
                    "calendar_interval": "day",
                    "time_zone": "America/New_York",
                }
            },
        ),
        (
            FLIGHTS,
            {
                "date_histogram": {
                    "field": "scheduled_departure",
                    "calendar_interval": "week",
                    "time_zone": "America/New_York",
                    "offset": "-1d",
                },
                "aggs": {"late": {"avg": {"field": "arrival_delay"}}},
            },
        ),
        (
            FLIGHTS,
            {
                "date_histogram": {
                    "field": "scheduled_departure",
                    "calendar_interval": "hour",
                    "time_zone": "America/New_York",
                    "min_doc_count": 1,
                }
            },
        ),
        (
            FLIGHTS,
            {
                "date_histogram": {
                    "field": "scheduled_departure",
                    "calendar_interval": "hour",
                    "time_zone": "America/New_York",
                }
            },
        ),
        (HARD, {"date_histogram": {"field": "count", "calendar_interval": "year", "min_doc_count": 1}}),
        (HARD, {"date_histogram": {"field": "open", "calendar_interval": "year"}}),
        (HARD, {"date_histogram": {"field": "nowhere", "calendar_interval": "year"}}),
    ],
    "date_histogram: fixed_interval": [
        *[
            (HARD, {"date_histogram": {"field": "seen", "fixed_interval": length} | option})
            for length in ("36h", "7d", "30d")
            for option in (
                {},
                {"min_doc_count": 1},
                {"offset": "+5h"},
                {"offset": "-1d"},
                {"time_zone": "+03:30"},
                {"time_zone": "-08:00", "offset": "30m"},
                {"keyed": True, "format": "yyyy-MM-dd"},
                {"order": {"_count": "desc"}},
                {"extended_bounds": {"min": "2012-12-01", "max": "2014-01-31"}},
                {"missing": "2013-06-01", "min_doc_count": 1},
                {"time_zone": "UTC"},
            )
        ],
        *[
            (HARD, {"date_histogram": {"field": "created", "fixed_interval": length, "min_doc_count": 1}})
            for length in ("1ms", "1s", "90m", "1d", "400d")
        ],
        (
            HARD,
            {
                "date_histogram": {
                    "field": "seen",
                    "fixed_interval": "1d",
                    "time_zone": "Europe/Paris",
                    "min_doc_count": 1,
                }
            },
        ),
        (FLIGHTS, {"date_histogram": {"field": "scheduled_departure", "fixed_interval": "12h"}}),
        (
            FLIGHTS,
            {
                "date_histogram": {
                    "field": "scheduled_departure",
                    "fixed_interval": "1d",
                    "time_zone": "-05:00",
                    "min_doc_count": 30,
                }
            },
        ),
    ],
    "range (buckets)": [
        *[
            (HARD, {"range": {"field": field, "ranges": ranges} | option})
            for field in ("count", "level", "ratio", "grade", "parts.size", "created", "open", "nowhere")
            for ranges in (
                [{"to": 0}, {"from": 0, "to": 2}, {"from": 2}],
                [{"from": -5, "to": 5}, {"from": 0, "to": 1, "key": "inner"}, {"from": 0}, {"to": 0.5}],
                [{"from": 1, "to": 1}, {"from": 3, "to": 2}, {}],
            )
            for option in ({}, {"keyed": True}, {"missing": 1})
        ],
        (
            HARD,
            {
                "range": {
                    "field": "ratio",
                    "ranges": [
                        {"from": 0.1, "to": 0.3},
                        {"from": "0.3"},
                        {"to": "1e9"},
                        {"from": 1e-9},
                        {"from": 123456789.125},
                    ],
                }
            },
        ),
        (HARD, {"range": {"field": "count", "ranges": [{"from": 2**53}, {"from": 2**53 + 1}, {"to": -(2**53)}]}}),
        (HARD, {"range": {"field": "level", "ranges": [{"from": None, "to": 1}]}}),
        (
            HARD,
            {
                "range": {
                    "field": "level",
                    "ranges": [{"from": 1}, {"from": 1}, {"from": 1, "key": "z"}, {"from": 1, "key": "a"}],
                }
            },
        ),
        (HARD, {"range": {"field": "tags", "ranges": [{"from": 1}]}}),
        (
            FLIGHTS,
            {
                "range": {
                    "field": "departure_delay",
                    "ranges": [{"to": 0}, {"from": 0, "to": 15}, {"from": 15, "to": 60}, {"from": 60}],
                },
                "aggs": {"far": {"avg": {"field": "distance_miles"}}},
            },
        ),
        (
            CITIES,
            {
                "range": {
                    "field": "population",
                    "ranges": [{"to": 250000}, {"from": 250000, "to": 1e6}, {"from": 1e6, "key": "millions"}],
                    "keyed": True,
                }
            },
        ),
    ],
    "date_range (buckets)": [
        *[
            (HARD, {"date_range": {"field": field, "ranges": ranges} | option})
            for field in ("created", "seen")
            for ranges in (
                [{"to": "2013"}, {"from": "2013", "to": "2014"}, {"from": "2014"}],
                [
                    {"from": "2013-03-10||/M", "to": "2013-03-10||+1M/M", "key": "march"},
                    {"to": "now/y", "key": "past"},
                    {"from": "2013-02", "to": "2013-06"},
                ],
                [{}, {"from": "2000-02-29"}],
            )
            for option in (
                {},
                {"keyed": True},
                {"time_zone": "America/New_York"},
                {"time_zone": "Asia/Tehran", "missing": "2013-05-01"},
            )
        ],
        *[
            (
                HARD,
                {
                    "date_range": {
                        "field": "created",
                        "format": "yyyy/MM",
                        "ranges": [{"from": "2012/02", "to": "2013/04"}, {"to": "1970/01"}],
                    }
                    | option
                },
            )
            for option in ({}, {"missing": "2013/01"}, {"time_zone": "Europe/Paris"})
        ],
        (HARD, {"date_range": {"field": "created", "ranges": [{"from": 0, "to": 1391212800000}, {"to": -1}]}}),
        (HARD, {"date_range": {"field": "count", "ranges": [{"from": 0, "to": 10}]}}),
        (HARD, {"date_range": {"field": "nowhere", "ranges": [{"from": "2013"}]}}),
        (
            FLIGHTS,
            {
                "date_range": {
                    "field": "scheduled_departure",
                    "time_zone": "America/New_York",
                    "ranges": [{"to": "2013-07-01"}, {"from": "2013-07-01"}],
                },
                "aggs": {"late": {"sum": {"field": "arrival_delay"}}},
            },
        ),
    ],
    "filter, filters, missing": [
        *[
            (HARD, {"filter": query, "aggs": _SUB})
            for query in (
                {"term": {"tags": "a"}},
                {"match": {"title": "river"}},
                {"bool": {"must_not": [{"exists": {"field": "tags"}}]}},
                {"match_all": {}},
            )
        ],
        *[
            (
                HARD,
                {
                    "filters": {"filters": {"z": {"term": {"open": True}}, "a": {"range": {"level": {"gt": 1}}}}}
                    | option,
                    "aggs": aggs,
                },
            )
            for aggs in ({}, _SUB)
            for option in (
                {},
                {"other_bucket": True},
                {"other_bucket_key": "rest"},
                {"other_bucket": False, "other_bucket_key": "rest"},
            )
        ],
        *[
            (HARD, {"missing": {"field": field}, "aggs": _SUB})
            for field in (*_FIELDS, "tags", "title.keyword", "place.country")
        ],
        (HARD, {"missing": {"field": "title"}}),
        (FLIGHTS, {"missing": {"field": "air_time"}, "aggs": {"by": {"terms": {"field": "carrier"}}}}),
    ],
    "sub-aggregations": [
        (
            HARD,
            {
                "terms": {"field": "tags", "size": 5},
                "aggs": {
                    "b": {
                        "terms": {"field": "level", "size": 2},
                        "aggs": {
                            "c": {
                                "date_histogram": {"field": "seen", "calendar_interval": "quarter"},
                                "aggs": {"d": {"stats": {"field": "ratio"}}},
                            }
                        },
                    }
                },
            },
        ),
        (
            HARD,
            {
                "date_histogram": {"field": "seen", "calendar_interval": "month"},
                "aggs": {
                    "b": {
                        "range": {"field": "grade", "ranges": [{"to": 0}, {"from": 0}]},
                        "aggs": {"c": {"percentiles": {"field": "grade"}}},
                    }
                },
            },
        ),
        (
            HARD,
            {
                "histogram": {"field": "level", "interval": 2},
                "aggs": {
                    "b": {"histogram": {"field": "grade", "interval": 20}},
                    "c": {"missing": {"field": "tags"}},
                    "d": {"cardinality": {"field": "tags"}},
                },
            },
        ),
        (
            HARD,
            {
                "filters": {"filters": {"a": {"exists": {"field": "tags"}}}},
                "aggs": {
                    "b": {
                        "date_range": {"field": "seen", "ranges": [{"from": "2013-06"}]},
                        "aggs": {"c": {"terms": {"field": "open", "order": {"_key": "asc"}}}},
                    }
                },
            },
        ),
        (HARD, {"missing": {"field": "tags"}, "aggs": {"b": {"terms": {"field": "level", "min_doc_count": 0}}}}),
        (HARD, {"terms": {"field": "open"}, "aggs": {"b": {"percentiles": {"field": "ratio", "keyed": False}}}}),
        (
            CITIES,
            {
                "terms": {"field": "continent", "size": 3},
                "aggs": {
                    "b": {
                        "terms": {"field": "country_code", "size": 3, "order": {"most": "desc"}},
                        "aggs": {
                            "most": {"max": {"field": "population"}},
                            "mid": {"percentiles": {"field": "population", "percents": [50]}},
                        },
                    }
                },
            },
        ),
        (
            FLIGHTS,
            {
                "terms": {"field": "origin"},
                "aggs": {
                    "b": {
                        "date_histogram": {
                            "field": "scheduled_departure",
                            "calendar_interval": "month",
                            "time_zone": "America/New_York",
                        },
                        "aggs": {"c": {"terms": {"field": "carrier", "size": 2}}},
                    }
                },
            },
        ),
    ],
}
