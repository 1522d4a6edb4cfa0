"""A corpus made to be difficult: Persian and mixed scripts, gaps, many values, ties, extreme numbers and dates."""

from __future__ import annotations

import random
from typing import Any

MAPPING: dict[str, Any] = {
    "dynamic": "strict",
    "properties": {
        "title": {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 24}}},
        "body": {"type": "text"},
        "tags": {"type": "keyword"},
        "code": {"type": "keyword", "ignore_above": 8},
        "count": {"type": "long"},
        "level": {"type": "integer"},
        "grade": {"type": "short"},
        "step": {"type": "byte"},
        "ratio": {"type": "double"},
        "created": {"type": "date"},
        "seen": {"type": "date"},
        "open": {"type": "boolean"},
        "place": {
            "properties": {
                "country": {"type": "keyword"},
                "name": {"type": "text", "fields": {"keyword": {"type": "keyword"}}},
                "rank": {"type": "integer"},
            }
        },
        "parts": {"properties": {"label": {"type": "keyword"}, "size": {"type": "long"}}},
    },
}

WORDS = (
    "river",
    "rivers",
    "revir",
    "mountain",
    "fountain",
    "sea",
    "see",
    "the",
    "of",
    "quick",
    "brown",
    "fox",
    "foxes",
    "co-operate",
    "e.g.",
    "o'neil",
    "don’t",
    "x86_64",
    "3.14",
    "1,000",
    "2013-01-31",
    "ABC",
    "abc",
    "naïve",
    "naive",
    "café",
    "cafe\u0301",
    "ÎLE",
    "straße",
    "STRASSE",
    "İstanbul",
    "istanbul",
    "ΣΊΣΥΦΟΣ",
    "σίσυφος",
)
PERSIAN = (
    "کتاب",
    "كتاب",
    "کتاب\u200cها",
    "کتابها",
    "می\u200cخواهم",
    "میخواهم",
    "ایران",
    "ايران",
    "تهران",
    "طهران",
    "شیراز",
    "شيراز",
    "خانه",
    "خانهٔ",
    "خانه\u200cی",
    "مُحَمَّد",
    "محمد",
    "آب",
    "اب",
    "۱۲۳",
    "١٢٣",
    "123",
    "نی‌نی",
    "و",
    "در",
)
OTHERS = (
    "東京",
    "京都",
    "カタカナ",
    "ひらがな",
    "ไทย",
    "שלום",
    "Привет",
    "привет",
    "😀",
    "👨‍👩‍👧",
    "🇮🇷",
    "❤️",
    "한국어",
)
TAGS = (
    "a",
    "A",
    "b",
    "B",
    "z",
    "Z",
    "",
    " ",
    "a b",
    "ایران",
    "ايران",
    "é",
    "e\u0301",
    "😀",
    "￼",
    "a*b",
    "a?b",
    "10",
    "9",
)
CODES = ("AA-1", "aa-1", "AB-12", "b", "12345678", "123456789", "😀😀😀😀", "😀😀😀😀😀", "ایران\u200cما", "")
COUNTS = (0, 1, 1, 1, 2, 3, -1, -5, 10, 100, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63), 10**15)
RATIOS = (
    0.0,
    -0.0,
    0.1,
    0.2,
    0.3,
    1.0,
    1.5,
    -1.5,
    2.5,
    1e-9,
    1e9,
    1e-320,
    123456789.125,
    3.3333333333,
    0.30000000000000004,
)
DATES = (
    "1969-12-31T23:59:59.999Z",
    "1969-07-20T20:17:40Z",
    "1900-01-01",
    "1970-01-01",
    "2000-02-29",
    "2012-02-29T12:00:00Z",
    "2013-03-10T06:59:59Z",
    "2013-03-10T07:00:00Z",
    "2013-03-31T00:30:00Z",
    "2013-03-31T01:30:00Z",
    "2013-10-27T00:30:00Z",
    "2013-10-27T01:30:00Z",
    "2013-11-03T05:30:00Z",
    "2013-11-03T06:30:00Z",
    "2013-03-21T20:30:00Z",
    "2013-09-21T20:00:00Z",
    "2013-12-31T23:59:59.999Z",
    "2014-01-01",
    "2014-01-01T00:00:00+03:30",
    "2014-06-15T12:34:56.789Z",
    "2014-06-15T12:34:56.789Z",
    "2016-02-29",
    "2024-02-29T23:59:59Z",
    "9999-12-31T00:00:00Z",
)
LONG_TEXT = " ".join(f"word{number % 97} {'long' * (number % 5)}" for number in range(600)) + " " + "x" * 300
MOST_DOCUMENTS = 420


def documents() -> list[dict[str, Any]]:
    """The same documents at every call: some made by hand, the others drawn."""
    draw = random.Random(1391)
    drawn = [_drawn(draw, number) for number in range(MOST_DOCUMENTS - len(BY_HAND))]
    return [{"_id": str(place), **document} for place, document in enumerate([*BY_HAND, *drawn])]


BY_HAND: list[dict[str, Any]] = [
    {},
    {"title": "", "tags": "", "code": "", "place": {}},
    {"title": None, "tags": None, "count": None, "created": None, "open": None},
    {"tags": [], "parts": [], "title": []},
    {"title": LONG_TEXT, "body": LONG_TEXT},
    {"title": "x" * 300, "tags": "y" * 500, "code": "z" * 9},
    {"title": "river " * 50, "body": "river"},
    {"title": ["quick brown", "fox quick", "brown fox"], "body": ["quick", "brown", "fox"]},
    {"open": "true", "level": "7", "ratio": "1.5", "count": "42", "created": 1391212800000},
    {"open": "false", "level": 7, "ratio": 1, "count": 42, "created": "1391212800000"},
    {"open": "", "parts": [{"label": "p", "size": 1}, {"label": "q"}, {"size": [2, 3]}]},
    {"open": [True, False], "ratio": [0.0, -0.0], "count": [2**63 - 1, -(2**63)]},
    {"parts": [{"label": ["p", "r"], "size": 9}, {"label": "p", "size": 9}], "place": {"country": "IR"}},
    {"ratio": -0.0, "step": -128, "grade": -32768, "level": -(2**31)},
    {"ratio": 0.0, "step": 127, "grade": 32767, "level": 2**31 - 1},
    {"ratio": 1.7976931348623157e308, "created": "0001-01-01", "seen": "9999-12-31T23:59:59.999Z"},
    {"ratio": [0.1] * 10, "count": [1, 1, 1, 2], "tags": ["a", "a", "b"]},
]


def _drawn(draw: random.Random, number: int) -> dict[str, Any]:
    """A document with about two thirds of the fields, a third of which hold several values."""
    vocabulary = draw.choice([WORDS, PERSIAN, OTHERS, WORDS + PERSIAN, WORDS + PERSIAN + OTHERS])
    everything: dict[str, Any] = {
        "title": _some(draw, lambda: " ".join(draw.choices(vocabulary, k=draw.randint(1, 6)))),
        "body": " ".join(draw.choices(WORDS + PERSIAN + OTHERS, k=draw.randint(1, 40))),
        "tags": _some(draw, lambda: draw.choice(TAGS)),
        "code": draw.choice(CODES),
        "count": _some(draw, lambda: draw.choice(COUNTS)),
        "level": number % 7 - 2,
        "grade": _some(draw, lambda: draw.randint(-40, 40)),
        "step": _some(draw, lambda: draw.randint(-3, 3)),
        "ratio": _some(draw, lambda: draw.choice(RATIOS)),
        "created": _some(draw, lambda: draw.choice(DATES)),
        "seen": f"2013-{draw.randint(1, 12):02}-{draw.randint(1, 28):02}T{draw.randint(0, 23):02}:30:00Z",
        "open": draw.choice([True, False]),
        "place": {
            "country": draw.choice(["IR", "US", "FR", "ir"]),
            "name": draw.choice(vocabulary),
            "rank": draw.randint(1, 3),
        },
        "parts": [{"label": draw.choice("pqrs"), "size": draw.randint(0, 5)} for _ in range(draw.randint(0, 3))],
    }
    return {name: value for name, value in everything.items() if draw.random() < 0.65}


def _some(draw: random.Random, value: Any) -> Any:
    return [value() for _ in range(draw.randint(2, 4))] if draw.random() < 0.3 else value()
