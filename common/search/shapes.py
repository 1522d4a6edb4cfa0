"""What JSON each message of the language takes, read from its descriptor, and the names that JSON has besides.

Reader and emitter share these tables: a new field of regular shape needs nothing but its line in the proto.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from airlock.search.v1 import aggregation_pb2, query_pb2, scalar_pb2, search_pb2
from buf.validate import validate_pb2
from google.protobuf.descriptor import FieldDescriptor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.descriptor import Descriptor, EnumDescriptor

SHORT_FORMS: Final = {
    "FuzzyQuery": "value",
    "MatchPhraseQuery": "query",
    "MatchQuery": "query",
    "PrefixQuery": "value",
    "TermQuery": "value",
    "WildcardQuery": "value",
}
"""Messages for which a bare scalar may stand, and the field that it is: `{"match": {"title": "text"}}`."""

ALIASES: Final[Mapping[str, Mapping[str, str]]] = {
    "Aggregation": {"aggregations": "aggs"},
    "Search": {"aggregations": "aggs"},
    "SourceFilter": {"include": "includes", "exclude": "excludes"},
    "WildcardQuery": {"wildcard": "value"},
}
"""Other names that Elasticsearch takes for the same key."""

NOT_KEYS: Final[Mapping[str, frozenset[str]]] = {
    "FiltersAggregation": frozenset({"anonymous"}),
    "Sort": frozenset({"field"}),
    "SourceFilter": frozenset({"enabled"}),
    "TermsQuery": frozenset({"values"}),
}
"""Fields that JSON says by its form, so that no key is theirs."""

_PLACES: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("FiltersAggregation", "anonymous"): ("filters",),
    ("SourceFilter", "enabled"): (),
    ("TermsQuery", "values"): (),
}
"""Where such a field stands in a path, if not under its own name."""

BARE_VALUES: Final = frozenset({"Scalar", "TrackTotalHits"})
"""Messages that are one value in JSON."""

NUMBER_AS_TEXT: Final = frozenset({"fuzziness", "minimum_should_match", "offset", "values"})
"""String fields in which a whole number is welcome: `"fuzziness": 1`."""


@dataclass(frozen=True, slots=True, eq=False)
class FieldShape:
    """One field as JSON sees it. There is one for each, so that tables may be keyed by it."""

    owner: str
    """The short name of the message that has it."""
    name: str
    json_name: str
    type: int
    message: str
    """The short name of the message type, or of the type of a map's values; empty for scalars."""
    repeated: bool
    is_map: bool
    keyed_by_one_field: bool
    """A clause such as `match`: a map with exactly one entry, keyed by the name of the field it searches."""
    enum: EnumShape | None
    max_items: int
    """The most entries of a list or a map, by the rule of its proto; 0 is no rule."""
    place: tuple[str, ...]
    """The steps of a path that lead to it from its message."""
    is_text: bool
    """Whether it holds texts as they are."""


@dataclass(frozen=True, slots=True, eq=False)
class EnumShape:
    """The values of an enum by the words that stand for them in JSON, and back."""

    by_word: Mapping[str, int]
    by_number: Mapping[int, str]


@dataclass(frozen=True, slots=True, eq=False)
class MessageShape:
    """One message as JSON sees it."""

    name: str
    by_key: Mapping[str, FieldShape]
    """The fields by JSON name and alias."""
    by_name: Mapping[str, FieldShape]
    short_form: FieldShape | None
    is_bare_value: bool
    """Whether the message stands for a single value, so that its fields have no place in a JSON path."""
    exactly_one_of: frozenset[str]
    """Names of fields of which exactly one must be set; empty where there is no such rule."""


def shape_of(name: str) -> MessageShape:
    """The shape of the message of that short name."""
    return _shapes()[name]


@cache
def _shapes() -> Mapping[str, MessageShape]:
    files = (aggregation_pb2.DESCRIPTOR, query_pb2.DESCRIPTOR, scalar_pb2.DESCRIPTOR, search_pb2.DESCRIPTOR)
    return {name: _message_shape(message) for file in files for name, message in file.message_types_by_name.items()}


def _message_shape(descriptor: Descriptor) -> MessageShape:
    by_name = {field.name: _field_shape(descriptor.name, field) for field in descriptor.fields}
    not_keys = NOT_KEYS.get(descriptor.name, frozenset())
    by_key = {field.json_name: field for field in by_name.values() if field.name not in not_keys}
    for alias, name in ALIASES.get(descriptor.name, {}).items():
        by_key[alias] = by_name[name]
    rules = descriptor.GetOptions().Extensions[validate_pb2.message]
    one_of = frozenset(name for rule in rules.oneof if rule.required for name in rule.fields)
    short = SHORT_FORMS.get(descriptor.name)
    return MessageShape(
        name=descriptor.name,
        by_key=by_key,
        by_name=by_name,
        short_form=by_name[short] if short else None,
        is_bare_value=descriptor.name in BARE_VALUES,
        exactly_one_of=one_of,
    )


def _field_shape(owner: str, field: FieldDescriptor) -> FieldShape:
    entry = field.message_type if field.message_type is not None and field.message_type.GetOptions().map_entry else None
    is_map = entry is not None
    value = entry.fields_by_name["value"] if entry is not None else field
    rules = field.GetOptions().Extensions[validate_pb2.field]
    return FieldShape(
        owner=owner,
        name=field.name,
        json_name=field.json_name,
        type=value.type,
        message=value.message_type.name if value.message_type is not None else "",
        repeated=field.is_repeated and not is_map,
        is_map=is_map,
        keyed_by_one_field=is_map and rules.map.max_pairs == 1,
        enum=_enum_shape(field.enum_type) if field.enum_type is not None else None,
        max_items=rules.map.max_pairs if is_map else rules.repeated.max_items,
        place=() if owner in BARE_VALUES else _PLACES.get((owner, field.name), (field.json_name,)),
        is_text=value.type == FieldDescriptor.TYPE_STRING,
    )


def _enum_shape(enum: EnumDescriptor) -> EnumShape:
    """Words such as `best_fields` for MULTI_MATCH_TYPE_BEST_FIELDS; the unspecified value has none."""
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    by_number = {value.number: value.name.removeprefix(prefix).lower() for value in enum.values if value.number}
    return EnumShape({word: number for number, word in by_number.items()}, by_number)
