"""Valid searches made at random from the descriptors: every clause, aggregation and option of the language.

What a field may hold is read from the rules of its proto; a new field is made without a line here unless its rule is a
pattern or its value depends on another. The same seed makes the same search.
"""

from __future__ import annotations

import math
import string
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from airlock.search.v1 import aggregation_pb2, query_pb2, scalar_pb2, search_pb2
from airlock.search.v1.aggregation_pb2 import Aggregation
from airlock.search.v1.query_pb2 import Query
from airlock.search.v1.scalar_pb2 import Scalar
from airlock.search.v1.search_pb2 import Search, Sort
from buf.validate import validate_pb2
from google.protobuf.descriptor import FieldDescriptor

from common.search.shapes import shape_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from random import Random

    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

FIELDS_OF_LANGUAGE: Final = frozenset(
    (message.name, field.name)
    for file in (aggregation_pb2.DESCRIPTOR, query_pb2.DESCRIPTOR, scalar_pb2.DESCRIPTOR, search_pb2.DESCRIPTOR)
    for message in file.message_types_by_name.values()
    for field in message.fields
)
"""Every field of every message that a search can hold, by message and name."""
LEAVES: Final = sorted({field.name for field in Query.DESCRIPTOR.fields} - {"bool"})
METRICS: Final = ("avg", "min", "max", "sum", "stats", "value_count", "cardinality", "percentiles")
BUCKETS: Final = sorted({field.name for field in Aggregation.DESCRIPTOR.fields} - {*METRICS, "aggs"})
TEXTS: Final = (
    "",
    "x",
    "san jose",
    "تهران",
    "می\u200cخواهم کتاب",
    "東京 🙂",
    "a\"\\/\n\t'b",
    "now",
    "-1",
    "null",
    "1.0",
)
WHOLE: Final = (0, 1, -1, 2**31, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63), 2**63, 2**64 - 1)
DOUBLES: Final = (0.0, -0.0, 1.0, 1.5, -2.25, 1e15, 1e16, 1e21, 1e300, 5e-324, 0.1, 123456789.0)
DATES: Final = ("2013-01-31", "2013-01", "now-1d/d", "2013-01-01||+1M/M", "2013-03-21T10:30:00+03:30", 1359590400000)
DATE_FORMATS: Final = ("yyyy-MM-dd", "strict_date_optional_time||epoch_millis", "epoch_millis", "MMM yyyy")
WORDS: Final[Mapping[str, Sequence[str]]] = {
    "boundary_scanner_locale": ("fa", "en-US"),
    "calendar_interval": ("second", "minute", "1h", "day", "1w", "month", "1M", "quarter", "1q", "year"),
    "fixed_interval": ("1ms", "90m", "1d", "365d", "9999999999s"),
    "format": DATE_FORMATS,
    "fuzziness": ("AUTO", "AUTO:2,5", "0", "1", "2"),
    "minimum_should_match": ("0", "1", "-1", "75%", "-25%", "2<-25%", "2 < 75% 9<-3", "100"),
    "offset": ("+6h", "-1d", "0ms", "5000ms", "30m"),
    "time_zone": ("+03:30", "-08:00", "Z", "UTC", "Asia/Tehran", "America/New_York"),
    "unmapped_type": ("long", "double", "date", "keyword", "boolean"),
}
"""Fields whose rule is a pattern, and some that any text would be wrong for."""


@dataclass(frozen=True)
class Fields:
    """The fields that searches name, by type. Without types any name goes, with values of all sorts."""

    types: Mapping[str, str] = field(default_factory=dict)

    def name(self, random: Random, wanted: Callable[[str], bool] = lambda _: True) -> str:
        """A field of a wanted type."""
        if not self.types:
            return random.choice(("f", "a.b", "عنوان", "_id", "with space", "ключ", "boost2", "v[0]", '"quoted"'))
        return random.choice([name for name, kind in self.types.items() if wanted(kind)])

    def value(self, random: Random, name: str) -> object:
        """A value that the field can be asked for."""
        values = _VALUES.get(self.types.get(name, ""))
        return random.choice(values) if values else random.choice((*TEXTS, *WHOLE, *DOUBLES, True, False))


_VALUES: Final[Mapping[str, Sequence[object]]] = {
    "boolean": (True, False, "true", "false"),
    "date": DATES,
    "double": (0, 1.5, -2.25, "3.5", 1e10, 7, -0.5),
    "integer": (0, 1, -5, "7", 1000, 2**31 - 1),
    "ip": ("10.0.0.1", "::1", "192.168.0.0"),
    "keyword": (*TEXTS, "a", "Z", 5, True),
    "long": (0, 1, "12", 2**53 + 1, 2**63 - 1, -(2**63), 12.0),
    "text": (*TEXTS, "alpha beta", 5, True),
}


class SearchMaker:
    """Makes searches. With `fields` that have types, each is one that an index of these fields can answer."""

    def __init__(self, random: Random, fields: Fields | None = None, *, depth: int = 3, density: float = 0.35) -> None:
        self.random = random
        self.fields = fields or Fields()
        self.depth = depth
        self.density = density

    def search(self) -> Search:
        """Any of them."""
        search = Search()
        self._fill(search, skip={"query", "aggs", "sort"})
        if self._perhaps():
            search.size = self.random.choice((0, 0, 1, 10, 1000))
        if search.from_offset + (search.size if search.HasField("size") else 10) > 10_000:
            search.from_offset = 9_000
        if self._perhaps(0.8):
            search.query.CopyFrom(self.query(self.depth))
        if self._perhaps():
            self._aggregations(search.aggs, self.depth)
        for _ in range(self.random.choice((0, 0, 1, 3))):
            search.sort.add().CopyFrom(self.sort())
        return search

    def query(self, depth: int, kind: str | None = None) -> Query:
        """A clause, of the kind if one is named."""
        query = Query()
        kind = kind or ("bool" if depth and self._perhaps(0.4) else self.random.choice(LEAVES))
        if kind == "bool":
            query.bool.SetInParent()
            self._fill(query.bool, skip={"must", "filter", "should", "must_not"})
            for clauses in (query.bool.must, query.bool.filter, query.bool.should, query.bool.must_not):
                clauses.extend(self.query(depth - 1) for _ in range(self.random.choice((0, 0, 1, 2))))
        elif shape_of("Query").by_name[kind].is_map:
            name = self.fields.name(self.random, _SEARCHABLE.get(kind, lambda _: True))
            self._clause(getattr(query, kind)[name], name)
        else:
            clause = getattr(query, kind)
            clause.SetInParent()
            self._clause(clause, "")
        return query

    def aggregation(self, depth: int, kind: str | None = None) -> Aggregation:
        """An aggregation, of the kind if one is named."""
        aggregation = Aggregation()
        kind = kind or self.random.choice(BUCKETS if depth and self._perhaps() else METRICS)
        if kind == "filter":
            aggregation.filter.CopyFrom(self.query(1))
        else:
            definition = getattr(aggregation, kind)
            definition.SetInParent()
            self._definition(definition, kind)
        if kind in BUCKETS and depth and self._perhaps():
            self._aggregations(aggregation.aggs, depth - 1)
        if kind in {"terms", "histogram", "date_histogram"}:
            self._orders(getattr(aggregation, kind).order, aggregation.aggs)
        return aggregation

    def sort(self) -> Sort:
        """A sort key."""
        name = self.random.choice(("_score", "_doc", self.fields.name(self.random, _SORTABLE)))
        sort = Sort(field=name)
        if name == "_score":
            self._fill(sort, only={"order"})
        elif name != "_doc":
            kind = self.fields.types.get(name)
            skip = {"field", "missing"}
            if kind is not None:
                skip |= set() if kind == "date" else {"format"}
                skip |= set() if kind in _NUMBERS | {"date"} else {"mode", "numeric_type"}
            self._fill(sort, skip=skip)
            if kind in _NUMBERS and sort.numeric_type == search_pb2.SORT_NUMERIC_TYPE_DATE_NANOS:
                sort.ClearField("numeric_type")
            if self._perhaps():
                sort.missing.CopyFrom(scalar(self.random.choice(("_first", "_last"))))
        return sort

    def _clause(self, clause: Any, name: str) -> None:
        self._fill(clause, skip={"values", "fields", "gt", "gte", "lt", "lte", "query", "value", "field"})
        shape = shape_of(clause.DESCRIPTOR.name)
        if shape.name == "TermsQuery":
            count = self.random.choice((0, 1, 3))
            clause.values.extend(scalar(self.fields.value(self.random, name)) for _ in range(count))
        elif shape.name == "IdsQuery":
            clause.values.extend(self.random.choices(("1", "a b", "ایران", "x" * 500), k=2))
        elif shape.name == "MultiMatchQuery":
            self._multi_match(clause)
        elif shape.name == "RangeQuery":
            self._range(clause, name)
        elif shape.name == "ExistsQuery":
            clause.field = self.fields.name(self.random)
        elif shape.name in {"PrefixQuery", "WildcardQuery"}:
            clause.value = self.random.choice(("a", "کتا", "a*b?", "*x*", "??a", "a\\*", "é"))
        elif shape.name != "MatchAllQuery":
            self._one_value(clause, name)

    def _one_value(self, clause: Any, name: str) -> None:
        into = clause.query if "query" in clause.DESCRIPTOR.fields_by_name else clause.value
        into.CopyFrom(scalar(self.fields.value(self.random, name)))
        kind = self.fields.types.get(name, "text")
        if clause.DESCRIPTOR.name == "MatchQuery" and kind not in {"text", "keyword"}:
            clause.ClearField("fuzziness")
        if clause.DESCRIPTOR.name == "TermQuery" and kind not in {"text", "keyword"}:
            clause.ClearField("case_insensitive")

    def _multi_match(self, clause: Any) -> None:
        words = {"text"} if clause.type == query_pb2.MULTI_MATCH_TYPE_PHRASE_PREFIX else {"text", "keyword"}
        names = [self.fields.name(self.random, lambda kind: kind in words) for _ in range(2)]
        clause.fields.extend(name + self.random.choice(("", "^2", "^0.5", "^1e1")) for name in names)
        clause.query.CopyFrom(scalar(self.random.choice(TEXTS)))
        if clause.type not in {0, query_pb2.MULTI_MATCH_TYPE_BEST_FIELDS, query_pb2.MULTI_MATCH_TYPE_MOST_FIELDS}:
            clause.ClearField("fuzziness")
        if clause.type == query_pb2.MULTI_MATCH_TYPE_BOOL_PREFIX:
            clause.ClearField("slop")

    def _range(self, clause: Any, name: str) -> None:
        kind = self.fields.types.get(name)
        if kind is not None and kind != "date":
            for option in ("format", "time_zone"):
                clause.ClearField(option)
        # Beside a number no date may be written as a text.
        other = self.fields.value(self.random, name)
        for bound in (self.random.choice(("gt", "gte")), self.random.choice(("lt", "lte"))):
            if self._perhaps(0.7):
                value = (
                    None if self._perhaps(0.1) else other if kind == "date" else self.fields.value(self.random, name)
                )
                getattr(clause, bound).CopyFrom(scalar(_dated(value, clause) if kind == "date" else value))

    def _definition(self, definition: Any, kind: str) -> None:
        wanted = _AGGREGABLE.get(kind, lambda _: True)
        skip = {"field", "order", "missing", "include", "exclude", "ranges", "filters", "anonymous", "extended_bounds"}
        skip |= {
            "hard_bounds",
            "tdigest",
            "hdr",
            "percents",
            "calendar_interval",
            "fixed_interval",
            "shard_min_doc_count",
        }
        name, type_of = "", None
        if "field" in definition.DESCRIPTOR.fields_by_name:
            definition.field = name = self.fields.name(self.random, wanted)
            type_of = self.fields.types.get(name)
        self._fill(definition, skip=skip if type_of in {None, "date"} else skip | {"format"})
        if type_of in _NUMBERS and "format" in definition.DESCRIPTOR.fields_by_name and self._perhaps():
            definition.format = self.random.choice(("0.00", "#,##0.#"))
        special = _SPECIAL.get(kind)
        if special is not None:
            special(self, definition, name)
        if "missing" in definition.DESCRIPTOR.fields_by_name and self._perhaps(0.2):
            value = self.fields.value(self.random, name)
            definition.missing.CopyFrom(scalar(_dated(value, definition) if type_of == "date" else value))

    def _terms(self, definition: Any, name: str) -> None:
        for values in (definition.include, definition.exclude):
            if self._perhaps(0.2):
                value = self.fields.value(self.random, name)
                if self.fields.types.get(name) == "date":
                    value = _dated("2013-01-31", definition)
                values.append(scalar(value))
        if self._perhaps(0.2):
            definition.shard_min_doc_count = self.random.choice((0, 1, 3))

    def _percentiles(self, definition: Any, name: str) -> None:
        if self._perhaps():
            definition.percents.extend(self.random.sample((0.0, 1.0, 50.0, 99.9, 100.0), k=2))
        # A histogram of high dynamic range holds neither negative values nor the largest ones.
        method = self.random.choice((None, "tdigest") if name in self.fields.types else (None, "tdigest", "hdr"))
        if method:
            getattr(definition, method).SetInParent()
            self._fill(getattr(definition, method))

    def _histogram(self, definition: Any, _name: str) -> None:
        definition.interval = self.random.choice((1.0, 10.0, 1e7, 1e19))
        self._bounds(definition, (0, 1.5, 50))

    def _date_histogram(self, definition: Any, _name: str) -> None:
        kind = self.random.choice(("calendar_interval", "fixed_interval"))
        setattr(definition, kind, self.random.choice(("365d",) if kind == "fixed_interval" else WORDS[kind][3:]))
        self._bounds(definition, (1356998400000, 1388534400000) if definition.format else ("2013-01-01", "2013-06-01"))

    def _bounds(self, definition: Any, values: Sequence[object]) -> None:
        for bounds in (definition.extended_bounds, definition.hard_bounds):
            if self._perhaps(0.2):
                for end in (bounds.min, bounds.max):
                    end.CopyFrom(scalar(values[0 if end is bounds.min else -1]))
                # Other values than these would have to lie inside each other.
                return

    def _ranges(self, definition: Any, name: str) -> None:
        for number in range(self.random.choice((1, 2))):
            bucket = definition.ranges.add()
            for end in (bucket.from_value, bucket.to_value):
                value = self.fields.value(self.random, name)
                if self._perhaps(0.7) and not isinstance(value, bool):
                    dated = self.fields.types.get(name) == "date"
                    end.CopyFrom(scalar(_dated(value, definition) if dated else value))
            if self._perhaps():
                bucket.key = f"k{number}"

    def _filters(self, definition: Any, _name: str) -> None:
        if self._perhaps(0.5):
            definition.anonymous.extend(self.query(1) for _ in range(2))
        else:
            for name in self.random.sample(("a", "ب", "with space", "Z"), k=2):
                definition.filters[name].CopyFrom(self.query(1))

    def _aggregations(self, into: Any, depth: int) -> None:
        for name in self.random.sample(("a", "بیشترین", "z b", "m.1", "_count2"), k=self.random.choice((1, 2))):
            into[name].CopyFrom(self.aggregation(depth))

    def _orders(self, orders: Any, inside: Mapping[str, Aggregation]) -> None:
        paths = ["_count", "_key"]
        for name, aggregation in inside.items():
            kind = next(one.name for one, _ in aggregation.ListFields() if one.name != "aggs")
            paths += {
                "stats": [f"{name}[avg]"],
                "filter": [f"{name}[doc_count]"],
                "missing": [f"{name}[doc_count]"],
            }.get(kind, [])
            if kind in METRICS and kind not in {"stats", "percentiles"}:
                paths.append(f"{name}[value]")
        for path in self.random.sample(paths, k=self.random.choice((0, 0, 1, 2))):
            orders.add(key=path, descending=self._perhaps(0.5))

    def _fill(self, message: Any, *, skip: set[str] | None = None, only: set[str] | None = None) -> None:
        """Each option with a fair chance; what is required, always."""
        descriptor: Descriptor = message.DESCRIPTOR
        fields = [one for one in descriptor.fields if one.name not in (skip or ()) and (not only or one.name in only)]
        if descriptor.name == "TrackTotalHits":
            fields = [self.random.choice(fields)]
        for one in fields:
            rules = one.GetOptions().Extensions[validate_pb2.field]
            needed = rules.required or rules.map.min_pairs or descriptor.name == "TrackTotalHits"
            if needed or self._perhaps():
                self._set(message, one, rules)
        repair = _REPAIRS.get(descriptor.name)
        if repair is not None:
            repair(message)
        if (
            self.fields.types
            and descriptor.name.startswith("Highlight")
            and message.type == search_pb2.HIGHLIGHT_TYPE_FVH
        ):
            # It takes fields only whose mapping keeps term vectors.
            message.type = search_pb2.HIGHLIGHT_TYPE_PLAIN

    def _set(self, message: Any, one: FieldDescriptor, rules: validate_pb2.FieldRules) -> None:
        entries = getattr(message, one.name)
        if one.message_type is not None and one.message_type.GetOptions().map_entry:
            for _ in range(2):
                self._fill(entries[self.fields.name(self.random, lambda kind: kind in {"text", "keyword"})])
        elif one.message_type is not None:
            entries.SetInParent()
            self._fill(entries)
        elif one.is_repeated:
            entries.extend(self._plain(one, rules.repeated.items) for _ in range(self.random.choice((1, 2))))
        else:
            setattr(message, one.name, self._plain(one, rules))

    def _plain(self, one: FieldDescriptor, rules: validate_pb2.FieldRules) -> object:
        if one.enum_type is not None:
            return self.random.choice([value.number for value in one.enum_type.values if value.number])
        if one.type == FieldDescriptor.TYPE_BOOL:
            return self._perhaps(0.5)
        if one.type == FieldDescriptor.TYPE_STRING:
            return self._text(one, rules)
        if one.type == FieldDescriptor.TYPE_DOUBLE:
            low, high = _bounds_of(rules.double, -1e30, 1e30)
            # Minus zero is no boost.
            doubles = DOUBLES if low < 0 else [value for value in DOUBLES if math.copysign(1, value) > 0]
            return float(self.random.choice([value for value in (*doubles, 2, 100, 1e20) if low <= value <= high]))
        low, high = _bounds_of(rules.uint32 if one.type == FieldDescriptor.TYPE_UINT32 else rules.uint64, 0, 2**31 - 1)
        return self.random.choice([value for value in (0, 1, 2, 7, 50, low, high) if low <= value <= high])

    def _text(self, one: FieldDescriptor, rules: validate_pb2.FieldRules) -> str:
        words = WORDS.get(one.name)
        if words is not None:
            return self.random.choice(words)
        if one.name in {"includes", "excludes"}:
            return str(self.random.choice((*(self.fields.types or ("f", "نام")), "*", "p*.n*")))
        if one.name == "matched_fields":
            return self.fields.name(self.random, lambda kind: kind == "text")
        length = max(rules.string.min_len, self.random.choice((1, 3)))
        return "".join(self.random.choices(string.ascii_letters + '<>/ é\u200cژ🙂"\\', k=length))

    def _perhaps(self, chance: float | None = None) -> bool:
        return self.random.random() < (self.density if chance is None else chance)


def _repair_source(source: Any) -> None:
    if source.includes or source.excludes:
        source.ClearField("enabled")


def _repair_tags(highlight: Any) -> None:
    if highlight.pre_tags and not highlight.post_tags:
        highlight.post_tags.append("</b>")


def _repair_highlight(highlight: Any) -> None:
    """What does not go together: options that stand at the field and for all fields decide it."""
    _repair_tags(highlight)
    everywhere = [highlight, *highlight.fields.values()]
    if any(one.boundary_scanner == search_pb2.HIGHLIGHT_BOUNDARY_SCANNER_CHARS for one in everywhere):
        for one in everywhere:
            one.type = search_pb2.HIGHLIGHT_TYPE_PLAIN
    if any(one.type == search_pb2.HIGHLIGHT_TYPE_FVH for one in everywhere):
        for one in everywhere:
            one.ClearField("fragment_size")
    if any(one.HasField("require_field_match") for one in everywhere):
        for one in highlight.fields.values():
            one.ClearField("matched_fields")


_REPAIRS: Final[Mapping[str, Callable[[Any], None]]] = {
    "Highlight": _repair_highlight,
    "HighlightField": _repair_tags,
    "SourceFilter": _repair_source,
}
_NUMBERS: Final = frozenset({"long", "integer", "double"})
_SEARCHABLE: Final[Mapping[str, Callable[[str], bool]]] = dict.fromkeys(
    ("prefix", "wildcard", "fuzzy"), lambda kind: kind in {"text", "keyword"}
)
_NUMBERS_AND_DATES: Final = _NUMBERS | {"date"}
_AGGREGABLE: Final[Mapping[str, Callable[[str], bool]]] = {
    **dict.fromkeys(("terms", "value_count", "cardinality", "missing"), lambda kind: kind not in {"text", "object"}),
    **dict.fromkeys(("avg", "min", "max", "sum", "stats"), lambda kind: kind in _NUMBERS_AND_DATES),
    **dict.fromkeys(("histogram", "range", "percentiles"), lambda kind: kind in _NUMBERS),
    **dict.fromkeys(("date_histogram", "date_range"), lambda kind: kind == "date"),
}
_SORTABLE: Final[Callable[[str], bool]] = lambda kind: kind not in {"text", "object"}  # noqa: E731 # As those above.
_SPECIAL: Final[Mapping[str, Callable[[SearchMaker, Any, str], None]]] = {
    "date_histogram": SearchMaker._date_histogram,
    "date_range": SearchMaker._ranges,
    "filters": SearchMaker._filters,
    "histogram": SearchMaker._histogram,
    "percentiles": SearchMaker._percentiles,
    "range": SearchMaker._ranges,
    "terms": SearchMaker._terms,
}


def scalar(value: object) -> Scalar:
    """The value as the language keeps it."""
    match value:
        case None:
            return Scalar(null_value=True)
        case bool():
            return Scalar(bool_value=value)
        case int():
            return Scalar(uint_value=value) if value > 2**63 - 1 else Scalar(int_value=value)
        case float():
            return Scalar(double_value=value)
    return Scalar(string_value=str(value))


def _dated(value: object, message: Any) -> object:
    """A date as the format of its message reads it."""
    if value is None or not getattr(message, "format", "") or message.format.startswith("strict"):
        return value
    return {"yyyy-MM-dd": "2013-01-31", "epoch_millis": 1359590400000, "MMM yyyy": "Jan 2013"}[message.format]


def _bounds_of(rules: Any, low: float, high: float) -> tuple[float, float]:
    least = rules.gte if rules.HasField("gte") else math.nextafter(rules.gt, math.inf) if rules.HasField("gt") else low
    return least, rules.lte if rules.HasField("lte") else high


def messages_below(message: Message) -> list[Message]:
    """The message and all that it consists of."""
    found = [message]
    for one, value in message.ListFields():
        if one.message_type is None:
            continue
        if one.message_type.GetOptions().map_entry:
            inner = [value[key] for key in value]
        else:
            inner = list(value) if one.is_repeated else [value]
        for part in inner:
            found += messages_below(part)
    return found
