"""Queries made by hand: for each feature what is likely to be answered in another way."""

from __future__ import annotations

from typing import Any

from tests.integration.search.differential.indices import CITIES, FLIGHTS, HARD

Body = dict[str, Any]

QUERIES: dict[str, list[tuple[str, Any]]] = {
    "match": [
        *[
            (HARD, {"match": {"title": text}})
            for text in (
                "river",
                "RIVER mountain",
                "کتاب",
                "كتاب",
                "کتاب\u200cها",
                "می\u200cخواهم",
                "خانهٔ",
                "مُحَمَّد",
                "محمد",
                "۱۲۳",
                "café",
                "cafe\u0301",
                "naïve",
                "straße",
                "İstanbul",
                "i̇stanbul",
                "ΣΊΣΥΦΟΣ",
                "σίσυφος",
                "東京",
                "カタカナ",
                "ไทย",
                "😀",
                "👨‍👩‍👧",
                "🇮🇷",
                "❤️",
                "한국어",
                "x86_64",
                "3.14",
                "1,000",
                "2013-01-31",
                "o'neil",
                "don’t",
                "e.g.",
                "co-operate",
                "x" * 300,
                "y",
                "",
                " ",
                "...",
                "river river river",
                "نی‌نی و",
            )
        ],
        *[
            (HARD, {"match": {field: value}})
            for field, value in (
                ("tags", "a"),
                ("tags", "A"),
                ("tags", ""),
                ("tags", "ایران"),
                ("code", "AA-1"),
                ("count", 1),
                ("count", "-5"),
                ("count", 2**53 + 1),
                ("ratio", 0.1),
                ("ratio", "1e9"),
                ("ratio", 0),
                ("open", True),
                ("open", "false"),
                ("created", "2013-03-10"),
                ("created", "2013-03-10T07:00:00Z"),
                ("place.name", "river"),
                ("place.rank", 2),
                ("title.keyword", "river"),
                ("place", "river"),
                ("nowhere", "x"),
                ("parts.label", "p"),
                ("step", 1.0),
            )
        ],
        *[
            (CITIES, {"match": {"name": text}})
            for text in ("san", "new york", "São Paulo", "تهران", "Saint-Denis", "al")
        ],
        *[
            (CITIES, {"match": {"alternate_names": text}})
            for text in ("تهران", "شیراز", "beijing", "北京", "nueva york")
        ],
        (FLIGHTS, {"match": {"carrier_name": "united air lines inc."}}),
        (FLIGHTS, {"match": {"manufacturer": "airbus industrie"}}),
    ],
    "match: operator, minimum_should_match": [
        (index, {"match": {field: {"query": text} | option}})
        for index, field, text in (
            (HARD, "body", "river sea quick کتاب 😀"),
            (HARD, "title", "river"),
            (CITIES, "alternate_names", "san de la nueva"),
        )
        for option in (
            {"operator": "and"},
            {"operator": "or"},
            *[
                {"minimum_should_match": said}
                for said in (
                    0,
                    1,
                    2,
                    5,
                    9,
                    -1,
                    -2,
                    -9,
                    "50%",
                    "-30%",
                    "100%",
                    "0%",
                    "150%",
                    "2<75%",
                    "1<-1 3<50%",
                    "2<-25% 9<-3",
                    "-150%",
                )
            ],
            {"operator": "and", "minimum_should_match": 1},
        )
    ],
    "match: fuzziness": [
        *[
            (HARD, {"match": {"title": {"query": text, "fuzziness": fuzziness} | option}})
            for text in ("rivre", "montain", "کتب", "ایرن", "قاهره", "se", "😁", "river fontain")
            for fuzziness in ("AUTO", 0, 1, 2, "AUTO:2,4")
            for option in ({}, {"prefix_length": 1}, {"fuzzy_transpositions": False}, {"max_expansions": 2})
        ],
        *[
            (CITIES, {"match": {"name": {"query": text, "fuzziness": "AUTO"}}})
            for text in ("tehrn", "berlni", "san fransisco")
        ],
        (HARD, {"match": {"tags": {"query": "b", "fuzziness": 1}}}),
        (HARD, {"match": {"count": {"query": "1", "fuzziness": 1}}}),
        (HARD, {"match": {"title": {"query": "rivre sea", "fuzziness": 1, "operator": "and"}}}),
    ],
    "match: zero_terms_query, lenient, boost": [
        (HARD, {"match": {"title": {"query": "...", "zero_terms_query": "all"}}}),
        (HARD, {"match": {"title": {"query": "...", "zero_terms_query": "none"}}}),
        (HARD, {"match": {"count": {"query": "many", "lenient": True}}}),
        (HARD, {"match": {"created": {"query": "many", "lenient": True}}}),
        (HARD, {"match": {"open": {"query": "many", "lenient": True}}}),
        (HARD, {"match": {"level": {"query": "1.5", "lenient": True}}}),
        (HARD, {"match": {"level": {"query": 1.5}}}),
        (HARD, {"match": {"level": {"query": 10**12}}}),
        (HARD, {"match": {"title": {"query": "river", "boost": 0}}}),
        (HARD, {"match": {"title": {"query": "river", "boost": 2.5}}}),
    ],
    "match_phrase": [
        *[
            (HARD, {"match_phrase": {field: text}})
            for field in ("title", "body")
            for text in (
                "quick brown",
                "brown quick",
                "river",
                "fox quick",
                "quick fox",
                "the quick",
                "کتاب ایران",
                "ایران کتاب",
                "river river",
                "",
                "...",
                "x86_64 3.14",
                "東京",
                "京都 東京",
                "word1 long",
            )
        ],
        *[
            (HARD, {"match_phrase": {field: value}})
            for field, value in (
                ("tags", "a b"),
                ("count", 1),
                ("created", "2012"),
                ("open", True),
                ("nowhere", "a b"),
                ("place.country", "IR"),
            )
        ],
        (HARD, {"match_phrase": {"title": {"query": "quick brown", "boost": 3}}}),
        *[(CITIES, {"match_phrase": {"name": text}}) for text in ("new york", "san", "ciudad de", "de la")],
        (FLIGHTS, {"match_phrase": {"origin_name": "john f kennedy"}}),
    ],
    "match_phrase: slop": [(HARD, {"match_phrase": {"title": {"query": "quick fox", "slop": 2}}})],
    "multi_match: best_fields, most_fields, phrase": [
        *[
            (HARD, {"multi_match": {"query": text, "fields": fields} | option})
            for text in ("river کتاب", "quick brown", "1")
            for fields in (["title", "body"], ["title^3", "body^0.5", "tags"], ["place.name", "nowhere"])
            for option in (
                {},
                {"type": "most_fields"},
                {"type": "phrase"},
                {"tie_breaker": 0.3},
                {"operator": "and"},
                {"minimum_should_match": "100%"},
                {"type": "most_fields", "boost": 2},
            )
        ],
        (HARD, {"multi_match": {"query": "1", "fields": ["count", "level", "title"], "lenient": True}}),
        (HARD, {"multi_match": {"query": "rivre", "fields": ["title", "body"], "fuzziness": 1, "prefix_length": 1}}),
        (HARD, {"multi_match": {"query": "river", "fields": ["title^0", "body"]}}),
        (CITIES, {"multi_match": {"query": "تهران tehran", "fields": ["name^2", "alternate_names"]}}),
        (
            CITIES,
            {"multi_match": {"query": "iran", "fields": ["name", "country", "alternate_names"], "type": "most_fields"}},
        ),
    ],
    "multi_match: cross_fields, phrase_prefix, bool_prefix": [
        (HARD, {"multi_match": {"query": "quick bro", "fields": ["title", "body"], "type": kind}})
        for kind in ("cross_fields", "phrase_prefix", "bool_prefix")
    ],
    "match_all": [
        (index, {"match_all": option}) for index in (HARD, CITIES, FLIGHTS) for option in ({}, {"boost": 0.5})
    ],
    "term": [
        *[
            (HARD, {"term": {field: value}})
            for field, value in (
                ("tags", "a"),
                ("tags", "A"),
                ("tags", ""),
                ("tags", " "),
                ("tags", "é"),
                ("tags", "e\u0301"),
                ("tags", 10),
                ("tags", "ايران"),
                ("title", "river"),
                ("title", "River"),
                ("title.keyword", "river"),
                ("code", "123456789"),
                ("code", "😀😀😀😀"),
                ("code", "😀😀😀😀😀"),
                ("count", 2**53),
                ("count", 2**53 + 1),
                ("count", -(2**53) - 1),
                ("count", 2**63 - 1),
                ("count", -(2**63)),
                ("count", 2**63),
                ("count", 1.5),
                ("count", "1.0"),
                ("count", 1e15),
                ("level", 2**31),
                ("step", -128),
                ("step", 1000),
                ("grade", "7"),
                ("ratio", 0.1),
                ("ratio", 0),
                ("ratio", 1e-320),
                ("ratio", "0.30000000000000004"),
                ("ratio", 1),
                ("open", True),
                ("open", "true"),
                ("open", ""),
                ("created", "2000-02-29"),
                ("created", "2000"),
                ("created", "2013-03"),
                ("created", 1391212800000),
                ("created", "1391212800000"),
                ("created", "1969-12-31T23:59:59.999Z"),
                ("created", "now"),
                ("created", "2013-03-10||/M"),
                ("created", "0001-01-01"),
                ("created", "9999-12-31"),
                ("place.country", "ir"),
                ("place", "x"),
                ("parts.size", 3),
                ("parts.label", "p"),
                ("nowhere", 1),
                ("created", -1),
            )
        ],
        (HARD, {"term": {"tags": {"value": "a", "boost": 4}}}),
        (HARD, {"term": {"ratio": -0.0}}),
    ],
    "term: case_insensitive": [
        (HARD, {"term": {field: {"value": value, "case_insensitive": True}}})
        for field, value in (
            ("tags", "A"),
            ("tags", "É"),
            ("title", "RIVER"),
            ("title", "ΣΊΣΥΦΟΣ"),
            ("code", "AA-1"),
            ("count", "1"),
            ("tags", ""),
        )
    ],
    "terms": [
        *[
            (HARD, {"terms": {field: values}})
            for field, values in (
                ("tags", ["a", "Z", "none"]),
                ("tags", []),
                ("tags", ["", "a b"]),
                ("title", ["river", "کتاب"]),
                ("count", [1, 2**53 + 1, -(2**63)]),
                ("count", [1.5, 2]),
                ("count", ["1", "2.0"]),
                ("ratio", [0.1, 1]),
                ("open", [True, "false"]),
                ("created", ["2000-02-29", "2013"]),
                ("created", [1391212800000]),
                ("level", [1, 1, 1]),
                ("place.country", ["IR", "ir"]),
                ("nowhere", [1]),
                ("step", [1, 500]),
            )
        ],
        (HARD, {"terms": {"tags": ["a"], "boost": 3}}),
        (CITIES, {"terms": {"country_code": ["IR", "AF", "TJ"]}}),
        (FLIGHTS, {"terms": {"destination": ["LAX", "SFO"]}}),
    ],
    "range": [
        *[
            (HARD, {"range": {field: bounds}})
            for field, bounds in (
                ("count", {"gte": 1, "lt": 3}),
                ("count", {"gt": 2**53, "lte": 2**63 - 1}),
                ("count", {"lt": -(2**53)}),
                ("count", {"gt": 0.5, "lt": 1.5}),
                ("count", {"gte": "1", "lte": "1"}),
                ("count", {"gt": 2**63 - 1}),
                ("count", {"lt": -(2**63)}),
                ("count", {"gte": -1.5, "lte": -0.5}),
                ("count", {"gte": 10, "lt": 1}),
                ("count", {}),
                ("count", {"gte": None, "lt": 2}),
                ("level", {"gte": -2, "lt": 0}),
                ("step", {"gt": 126}),
                ("step", {"gte": -128, "lte": 127}),
                ("grade", {"lte": 0}),
                ("ratio", {"gt": 0}),
                ("ratio", {"gte": 0}),
                ("ratio", {"lt": 0}),
                ("ratio", {"gt": 0.1, "lte": 0.3}),
                ("ratio", {"gte": "0.1"}),
                ("ratio", {"gt": 1e308}),
                ("open", {"gte": True}),
                ("open", {"lt": True}),
                ("open", {"gt": False, "lte": "true"}),
                ("tags", {"gte": "a", "lt": "b"}),
                ("tags", {"gt": ""}),
                ("tags", {"gte": "é"}),
                ("tags", {"lt": "😀"}),
                ("tags", {"gt": "😀"}),
                ("title", {"gte": "r", "lt": "s"}),
                ("title", {"gte": "ک"}),
                ("title", {"gt": "カ"}),
                ("nowhere", {"gte": 1}),
                ("place", {"gte": 1}),
                ("parts.size", {"gte": 3}),
                ("count", {"gte": 1, "boost": 3}),
            )
        ],
        (CITIES, {"range": {"population": {"gte": 10**7}}}),
        (CITIES, {"range": {"latitude": {"gt": 35.6, "lt": 35.8}}}),
        (FLIGHTS, {"range": {"departure_delay": {"lt": -15}}}),
        (FLIGHTS, {"range": {"miles_per_hour": {"gte": 500.5}}}),
    ],
    "range: dates": [
        *[
            (HARD, {"range": {"created": bounds}})
            for bounds in (
                {"gte": "2013"},
                {"gt": "2013"},
                {"lt": "2013"},
                {"lte": "2013"},
                {"gte": "2013-03", "lte": "2013-03"},
                {"gte": "2013-03-10T07", "lt": "2013-03-10T08"},
                {"gt": "2013-03-10T06:59:59"},
                {"lt": 0},
                {"gte": -1, "lte": 0},
                {"lt": "1970"},
                {"gte": "1969-07-20T20:17:40Z", "lte": "1969-07-20T20:17:40Z"},
                {"gte": "2012-02-29||/d", "lt": "2012-02-29||+1d/d"},
                {"gte": "2000-02-29||+1y", "lt": "2000-02-29||+4y"},
                {"gte": "2013-01-31||+1M"},
                {"lte": "2013-03-31||-1M"},
                {"lt": "now-10y/y"},
                {"gte": "now/d"},
                {"gte": "2013-03-10", "time_zone": "America/New_York"},
                {"lt": "2013-03-31", "time_zone": "Europe/Paris"},
                {"gte": "2013-03-22", "time_zone": "Asia/Tehran"},
                {"lte": "2013-09-21", "time_zone": "Asia/Tehran"},
                {"gte": "2013-10-27T02:30:00", "time_zone": "Europe/Paris"},
                {"gte": "2013-03-31T02:30:00", "time_zone": "Europe/Paris"},
                {"gte": "2013-11-03||/d", "time_zone": "America/New_York"},
                {"gt": "2013-11-03||/h", "time_zone": "America/New_York"},
                {"gte": "2014-01-01T00:00:00+03:30"},
                {"gte": "15/06/2014", "format": "dd/MM/yyyy"},
                {"lte": "2014", "format": "yyyy"},
                {"lte": "201406", "format": "yyyyMM"},
                {"gte": 1391212800, "format": "epoch_second"},
                {"gte": "1391212800000"},
                {"gte": "2014-06-15 12:34", "format": "yyyy-MM-dd HH:mm||yyyy"},
                {"lte": "2014-06-15T12:34:56,789Z"},
                {"gte": "2014-06-15T12:34:56.789123456Z"},
                {"lt": "0002"},
                {"gt": "9999-01-01"},
                {"gte": "2013-W10", "format": "strict_weekyear_week"},
                {"gte": "2013-03-10||-1w/w"},
                {"lt": "2013-03-10||+36h-5m+3s"},
                {"gte": "2014-06-15", "format": "strict_date"},
                {"gte": "2014-6-5", "format": "yyyy-M-d"},
                {"gte": "2014-06-15T12:34:56+0330"},
                {"gte": "2013-12-31T24:00:00Z"},
            )
        ],
        (
            FLIGHTS,
            {
                "range": {
                    "scheduled_departure": {"gte": "2013-07-04", "lt": "2013-07-05", "time_zone": "America/New_York"}
                }
            },
        ),
        (FLIGHTS, {"range": {"scheduled_departure": {"gte": "2013-12-30||/w"}}}),
    ],
    "exists": [
        *[
            (HARD, {"exists": {"field": field}})
            for field in (
                "title",
                "title.keyword",
                "body",
                "tags",
                "code",
                "count",
                "ratio",
                "created",
                "open",
                "place",
                "place.name",
                "parts",
                "parts.size",
                "nowhere",
                "pl",
            )
        ],
        (CITIES, {"exists": {"field": "alternate_names"}}),
        (FLIGHTS, {"exists": {"field": "air_time"}}),
        (HARD, {"exists": {"field": "tags", "boost": 2}}),
    ],
    "prefix": [
        *[
            (HARD, {"prefix": {field: {"value": value} | option}})
            for option in ({}, {"case_insensitive": True})
            for field, value in (
                ("tags", "a"),
                ("tags", "A"),
                ("tags", "e"),
                ("tags", "É"),
                ("title", "riv"),
                ("title", "RIV"),
                ("title", "کتا"),
                ("title", "σί"),
                ("title", "ΣΊ"),
                ("title.keyword", "q"),
                ("code", "aa"),
                ("code", "😀"),
                ("place.country", "i"),
                ("nowhere", "a"),
                ("tags", "a*"),
            )
        ],
        (CITIES, {"prefix": {"name.keyword": "San "}}),
        (CITIES, {"prefix": {"name": {"value": "teh", "boost": 2}}}),
    ],
    "wildcard": [
        *[
            (HARD, {"wildcard": {field: {"value": value} | option}})
            for option in ({}, {"case_insensitive": True})
            for field, value in (
                ("tags", "*"),
                ("tags", "?"),
                ("tags", "a*"),
                ("tags", "a\\*b"),
                ("tags", "a\\?b"),
                ("tags", "A"),
                ("tags", "???"),
                ("title", "r*r"),
                ("title", "*ای*"),
                ("title", "R?VER"),
                ("title.keyword", "*quick*"),
                ("code", "AA-?"),
                ("code", "????"),
                ("tags", "😀"),
                ("title", "ΣΊ*"),
                ("tags", "**a**"),
                ("tags", "\\a"),
                ("title", "?????"),
                ("nowhere", "*"),
                ("body", "*1*"),
            )
        ],
        (CITIES, {"wildcard": {"name.keyword": "*-sur-*"}}),
        (CITIES, {"wildcard": {"name": "*bad"}}),
    ],
    "fuzzy": [
        *[
            (HARD, {"fuzzy": {"title": {"value": value} | option}})
            for value in ("rivre", "river", "kitab", "کتاپ", "ايرن", "foxe", "moun", "fuontain")
            for option in (
                {},
                {"fuzziness": 0},
                {"fuzziness": 1},
                {"fuzziness": 2},
                {"fuzziness": "AUTO:3,5"},
                {"fuzziness": 2, "prefix_length": 2},
                {"fuzziness": 2, "transpositions": False},
                {"fuzziness": 2, "max_expansions": 1},
                {"fuzziness": 1, "boost": 2},
            )
        ],
        *[
            (HARD, {"fuzzy": {field: {"value": value, "fuzziness": 1}}})
            for field, value in (("tags", "ab"), ("code", "AA-2"), ("tags", "😁"), ("nowhere", "x"), ("code", "😀😀😀"))
        ],
        (CITIES, {"fuzzy": {"name": "tehram"}}),
        (CITIES, {"fuzzy": {"name.keyword": {"value": "Tehrn", "fuzziness": 2}}}),
    ],
    "ids": [(HARD, {"ids": {"values": values}}) for values in (["1", "5", "none"], ["400", "5", "5"], ["-1"])],
    "bool": [
        *[
            (HARD, {"bool": clauses})
            for clauses in (
                {},
                {"boost": 2},
                {"must": []},
                {"must": [{"match": {"title": "river"}}], "should": [{"term": {"tags": "a"}}]},
                {"filter": [{"exists": {"field": "tags"}}], "should": [{"term": {"tags": "a"}}]},
                {
                    "filter": [{"exists": {"field": "tags"}}],
                    "should": [{"term": {"tags": "a"}}],
                    "minimum_should_match": 1,
                },
                {"must_not": [{"exists": {"field": "tags"}}]},
                {"must_not": [{"match_all": {}}]},
                {"must": [{"match_all": {}}], "must_not": [{"term": {"open": True}}]},
                {"should": [{"term": {"tags": value}} for value in "abzZ"], "minimum_should_match": "50%"},
                {"should": [{"term": {"tags": value}} for value in "abzZ"], "minimum_should_match": -1},
                {"should": [{"term": {"tags": value}} for value in "abzZ"], "minimum_should_match": "2<1"},
                {
                    "should": [
                        {"term": {"tags": "a"}},
                        {"term": {"tags": "a"}},
                        {"bool": {"must_not": [{"term": {"tags": "a"}}]}},
                    ]
                },
                {
                    "must": [
                        {"bool": {"should": [{"match": {"title": "river"}}, {"match": {"body": "river"}}], "boost": 3}}
                    ],
                    "filter": [{"range": {"level": {"gte": 0}}}],
                },
                {"must": [{"term": {"level": 1}}, {"term": {"open": True}}], "boost": 0.5},
                {"filter": [{"match": {"title": "river"}}]},
                {"must": [{"bool": {"filter": [{"match": {"title": "river"}}]}}]},
                {"should": [{"bool": {"filter": [{"term": {"tags": "a"}}]}}, {"match": {"title": "river"}}]},
                {"must_not": [{"term": {"tags": "a"}}], "should": [{"match": {"title": "river"}}], "boost": 2},
            )
        ],
        (
            CITIES,
            {
                "bool": {
                    "must": [{"match": {"name": "san"}}],
                    "filter": [{"term": {"continent": "South America"}}],
                    "must_not": [{"term": {"country_code": "AR"}}],
                }
            },
        ),
        (
            FLIGHTS,
            {
                "bool": {
                    "filter": [{"term": {"origin": "JFK"}}, {"range": {"arrival_delay": {"gte": 120}}}],
                    "should": [{"match": {"manufacturer": "boeing"}}],
                }
            },
        ),
    ],
}
