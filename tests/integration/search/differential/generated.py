"""Searches drawn at random from a seed: features by fields, with values from the data."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.integration.search.differential.by_hand import WHOLE
from tests.integration.search.differential.indices import EVERY, documents, mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Body = dict[str, Any]

SEED = 20130101
PER_INDEX = 200
FEATURES = ("generated queries", "generated orders", "generated aggregations")
_NUMBERS = ("long", "integer", "short", "byte", "double")
_ZONES = ("UTC", "Europe/Paris", "America/New_York", "Asia/Tehran", "+03:30", "-08:00", "Australia/Lord_Howe")
_ONE_FIGURE = ("avg", "min", "max", "sum", "stats", "value_count", "cardinality", "percentiles")


@dataclass
class _Index:
    """An index: its fields by type, and for each field values that it has."""

    types: dict[str, str] = field(default_factory=dict)
    values: dict[str, list[Any]] = field(default_factory=dict)

    def of(self, *types: str) -> list[str]:
        return [name for name, kind in self.types.items() if kind in types and self.values[name]]


def cases(seed: int = SEED, per_index: int = PER_INDEX) -> Iterator[tuple[str, str, Body]]:
    """Feature, index and body of every search; the same seed draws the same."""
    for name in EVERY:
        draw = random.Random(f"{seed} {name}")
        drawing = _Drawing(_read(name), draw)
        for number in range(per_index):
            feature = FEATURES[number % 3]
            if feature == "generated queries":
                yield feature, name, {"query": drawing.query(3)} | WHOLE
            elif feature == "generated orders":
                yield feature, name, {"query": drawing.query(1), "sort": drawing.sort()} | WHOLE
            else:
                yield feature, name, {"query": drawing.query(1), "size": 0, "aggs": {"a": drawing.aggregation(3)}}


def _read(name: str) -> _Index:
    found = _Index(dict(_types(mapping(name)["properties"], "")))
    for path in found.types:
        found.values[path] = []
    for document in documents(name):
        for path in found.types:
            found.values[path] += _values(document, path.split("."))[:3]
    return found


def _types(properties: Body, before: str) -> Iterator[tuple[str, str]]:
    for name, definition in properties.items():
        if "properties" in definition:
            yield from _types(definition["properties"], f"{before}{name}.")
            continue
        yield f"{before}{name}", definition["type"]
        for suffix, inner in definition.get("fields", {}).items():
            yield f"{before}{name}.{suffix}", inner["type"]


def _values(value: Any, path: list[str]) -> list[Any]:
    if isinstance(value, list):
        return [inner for one in value for inner in _values(one, path)]
    if not path or path == ["keyword"]:
        return [] if value is None or isinstance(value, dict) else [value]
    return _values(value[path[0]], path[1:]) if isinstance(value, dict) and path[0] in value else []


class _Drawing:
    """Draws clauses for one index."""

    def __init__(self, index: _Index, draw: random.Random) -> None:
        self._index = index
        self._draw = draw

    def query(self, depth: int) -> Body:
        kinds: list[Callable[[], Body]] = [
            self._match,
            self._match,
            self._multi_match,
            self._phrase,
            self._term,
            self._terms,
            self._range,
            self._range,
            self._exists,
            self._pattern,
            self._fuzzy,
            lambda: {"match_all": {}},
        ]
        if depth > 1 and self._draw.random() < 0.6:
            return self._bool(depth - 1)
        return self._draw.choice(kinds)()

    def sort(self) -> list[Any]:
        names = self._index.of("keyword", "date", "boolean", *_NUMBERS)
        chosen = self._draw.sample(names, self._draw.randint(1, 3))
        return [
            *[{name: self._sort_options(name)} for name in chosen],
            *self._draw.choice([[], [], ["_doc"], ["_score"]]),
        ]

    def aggregation(self, depth: int) -> Body:
        numbers = self._index.of(*_NUMBERS)
        dates = self._index.of("date")
        kinds: list[Callable[[], Body]] = [
            self._terms_buckets,
            self._terms_buckets,
            lambda: self._histogram(self._draw.choice(numbers)),
            lambda: self._range_buckets(self._draw.choice(numbers)),
            lambda: {"filter": self.query(1)},
            self._filters,
            lambda: {"missing": {"field": self._draw.choice(self._index.of("keyword", *_NUMBERS))}},
        ]
        if dates:
            kinds += [self._date_histogram, self._date_histogram, self._date_ranges]
        if depth == 1 or self._draw.random() < 0.25:
            return self._figure()
        made = self._draw.choice(kinds)()
        names = "bcd"[: self._draw.randint(0, 2)]
        return made | ({"aggs": {name: self.aggregation(depth - 1) for name in names}} if names else {})

    def _value(self, name: str) -> Any:
        return self._draw.choice(self._index.values[name])

    def _text(self, name: str) -> str:
        words = str(self._value(name)).split() or ["nothing"]
        return " ".join(self._draw.choices(words, k=self._draw.randint(1, min(4, len(words)))))

    def _options(self, **options: list[Any]) -> Body:
        """Each option with one of its values, or left out."""
        return {name: self._draw.choice(values) for name, values in options.items() if self._draw.random() < 0.3}

    def _match(self) -> Body:
        name = self._draw.choice(self._index.of("text"))
        options = self._options(
            operator=["and", "or"], minimum_should_match=[1, 2, "50%", "-1"], fuzziness=["AUTO", 1, 2], boost=[2.5]
        )
        return {"match": {name: {"query": self._text(name)[:60]} | options}}

    def _multi_match(self) -> Body:
        names = self._draw.sample(self._index.of("text", "keyword"), 2)
        fields = [f"{name}{self._draw.choice(['', '', '^2', '^0.5'])}" for name in names]
        options = self._options(type=["best_fields", "most_fields", "phrase"], tie_breaker=[0.3], operator=["and"])
        return {"multi_match": {"query": self._text(names[0]), "fields": fields} | options}

    def _phrase(self) -> Body:
        name = self._draw.choice(self._index.of("text"))
        words = str(self._value(name)).split() or ["nothing"]
        start = self._draw.randrange(len(words))
        return {"match_phrase": {name: " ".join(words[start : start + self._draw.randint(1, 3)])}}

    def _term(self) -> Body:
        name = self._draw.choice(self._index.of("keyword", "text", "date", "boolean", *_NUMBERS))
        value = self._value(name)
        if self._index.types[name] == "text":
            value = self._text(name).lower().split()[0]
        return {"term": {name: {"value": value} | self._options(boost=[3])}}

    def _terms(self) -> Body:
        name = self._draw.choice(self._index.of("keyword", "boolean", "date", *_NUMBERS))
        return {"terms": {name: [self._value(name) for _ in range(self._draw.randint(1, 5))]}}

    def _range(self) -> Body:
        name = self._draw.choice(self._index.of("keyword", "date", *_NUMBERS))
        low, high = self._value(name), self._value(name)
        bounds = self._draw.choice([{"gte": low}, {"gt": low, "lt": high}, {"lte": high}, {"gte": low, "lte": low}])
        return {"range": {name: bounds}}

    def _exists(self) -> Body:
        return {"exists": {"field": self._draw.choice([*self._index.types])}}

    def _pattern(self) -> Body:
        name = self._draw.choice(self._index.of("keyword", "text"))
        text = self._text(name)
        options = self._options(case_insensitive=[True, False])
        if self._draw.random() < 0.5:
            return {"prefix": {name: {"value": text[: self._draw.randint(1, 4)]} | options}}
        place = self._draw.randrange(len(text) + 1)
        return {"wildcard": {name: {"value": text[:place] + self._draw.choice("*?*") + text[place + 1 :]} | options}}

    def _fuzzy(self) -> Body:
        name = self._draw.choice(self._index.of("keyword", "text"))
        word = list(self._text(name).lower()[:12])
        word[self._draw.randrange(len(word))] = self._draw.choice("aeیx")
        options = self._options(
            fuzziness=["AUTO", 1, 2], prefix_length=[1, 2], transpositions=[False], max_expansions=[5]
        )
        return {"fuzzy": {name: {"value": "".join(word)} | options}}

    def _bool(self, depth: int) -> Body:
        clauses: Body = {}
        for kind in ("must", "filter", "should", "must_not"):
            count = self._draw.choice([0, 0, 1, 2])
            if count:
                clauses[kind] = [self.query(depth) for _ in range(count)]
        return {"bool": clauses | self._options(minimum_should_match=[0, 1, "50%", -1], boost=[0.5])}

    def _sort_options(self, name: str) -> Body:
        options = self._options(order=["asc", "desc"], missing=["_first", "_last"])
        if self._index.types[name] in _NUMBERS:
            return options | self._options(mode=["min", "max", "sum", "avg", "median"])
        return options | self._options(mode=["min", "max"])

    def _figure(self) -> Body:
        kind = self._draw.choice(_ONE_FIGURE)
        types = ("keyword", *_NUMBERS) if kind in {"value_count", "cardinality"} else ("date", *_NUMBERS)
        return {kind: {"field": self._draw.choice(self._index.of(*types))}}

    def _terms_buckets(self) -> Body:
        name = self._draw.choice(self._index.of("keyword", "boolean", *_NUMBERS))
        order = [{"_key": "asc"}, {"_key": "desc"}, {"_count": "asc"}, {"_count": "desc"}]
        return {"terms": {"field": name} | self._options(size=[1, 3, 20, 200], order=order, min_doc_count=[2, 5])}

    def _histogram(self, name: str) -> Body:
        numbers = [float(value) for value in self._index.values[name]]
        width = max((max(numbers) - min(numbers)) / self._draw.randint(3, 40), 0.1)
        width = self._draw.choice([width, float(f"{width:.1g}")])
        options = self._options(min_doc_count=[0, 1, 3], offset=[width / 3], keyed=[True], order=[{"_key": "desc"}])
        return {"histogram": {"field": name, "interval": width} | options}

    def _range_buckets(self, name: str) -> Body:
        one, other = sorted(self._draw.sample(self._index.values[name], 2), key=float)
        ranges = [{"to": one}, {"from": one, "to": other}, {"from": other}]
        return {"range": {"field": name, "ranges": self._draw.sample(ranges, 2)} | self._options(keyed=[True])}

    def _date_histogram(self) -> Body:
        name = self._draw.choice(self._index.of("date"))
        body: Body = {"field": name, "min_doc_count": self._draw.choice([1, 1, 5])}
        if self._draw.random() < 0.7:
            body["calendar_interval"] = self._draw.choice(["hour", "day", "week", "month", "quarter", "year"])
            body |= self._options(time_zone=[*_ZONES], offset=["+6h", "-1d"])
        else:
            body["fixed_interval"] = self._draw.choice(["12h", "7d", "45m"])
            body |= self._options(time_zone=["+03:30", "-08:00"], offset=["+5h"])
        return {
            "date_histogram": body | self._options(keyed=[True], order=[{"_count": "desc"}], format=["yyyy-MM-dd HH"])
        }

    def _date_ranges(self) -> Body:
        name = self._draw.choice(self._index.of("date"))
        ranges = [{"to": "2013-06"}, {"from": "2013-03-10||/w", "to": "2013-11-03"}, {"from": "2013-10-27"}]
        return {"date_range": {"field": name, "ranges": ranges} | self._options(time_zone=[*_ZONES], keyed=[True])}

    def _filters(self) -> Body:
        named = {name: self.query(1) for name in "yx"}
        return {"filters": {"filters": named} | self._options(other_bucket=[True], other_bucket_key=["rest"])}
