"""The small data set on which every engine must give the same answers: Persian text, gaps, several values, ties."""

from __future__ import annotations

from typing import Any

MAPPING: dict[str, Any] = {
    "dynamic": "strict",
    "properties": {
        "title": {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 20}}},
        "tags": {"type": "keyword"},
        "views": {"type": "long"},
        "rank": {"type": "integer"},
        "price": {"type": "double"},
        "published": {"type": "date"},
        "open": {"type": "boolean"},
        "place": {"properties": {"country": {"type": "keyword"}, "name": {"type": "text"}}},
    },
}

FIRST = ("alpha", "beta", "gamma", "delta", "alpine")
SECOND = ("one", "two", "three")
PERSIAN = "می\u200cخواهم کتاب\u200cها را بخوانم"

DOCUMENTS: list[dict[str, Any]] = [
    {
        "_id": "0",
        "title": "San Francisco",
        "tags": ["b", "a"],
        "views": 1,
        "rank": 5,
        "price": 1.5,
        "published": "2013-01-01T10:15:00Z",
        "open": True,
        "place": {"country": "US", "name": "San Francisco Bay"},
    },
    {
        "_id": "1",
        "title": ["San Jose", "Costa Rica"],
        "tags": "a",
        "views": [3, 1],
        "price": 2,
        "published": "2013-01-31",
        "open": False,
        "place": {"country": "CR"},
    },
    {"_id": "2", "title": "", "tags": "", "views": None},
    {"_id": "3", "title": f"{PERSIAN} 東京 foo_bar foo-bar 1,000.5 O'Neil don’t ABC123", "tags": "Z", "price": -0.5},
    {
        "_id": "4",
        "title": "San San San",
        "views": 9007199254740993,
        "tags": ["a", "a"],
        "published": "2013-03-20T23:59:59.999Z",
    },
    {"_id": "5", "tags": "this one is longer than twenty", "open": True, "rank": -3},
    {
        "_id": "6",
        "title": "تهران پایتخت ایران",
        "tags": ["ایران", "پایتخت"],
        "views": 8693706,
        "place": {"country": "IR"},
    },
    {
        "_id": "7",
        "title": "شیراز و کتاب",
        "tags": ["ایران"],
        "views": 1249942,
        "place": {"country": "IR", "name": "شیراز"},
    },
    {"_id": "8", "title": "کتاب کتاب کتاب", "published": "2012-12-31T22:00:00+03:30", "open": False, "price": 1e9},
    {
        "_id": "9",
        "title": "the quick brown fox jumps over the lazy dog",
        "price": 0.1,
        "rank": 7,
        "tags": ["a", "b", "c"],
    },
    *[
        {
            "_id": str(10 + number),
            "title": f"{FIRST[number % 5]} {SECOND[number % 3]}",
            "tags": [f"t{number % 4}", f"u{number % 7}"],
            "views": number * number % 50,
            "rank": number % 6,
            "price": number * 1.25,
            "published": f"2013-{1 + number % 12:02}-{1 + number % 28:02}T{number % 24:02}:30:00Z",
            "open": number % 3 == 0,
        }
        for number in range(40)
    ],
]
