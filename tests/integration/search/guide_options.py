"""The options of each clause as rows of a table, from the descriptors, their rules and the comments of the protos."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from buf.validate import validate_pb2
from google.protobuf.descriptor import FieldDescriptor

from common.search.shapes import NUMBER_AS_TEXT, shape_of
from tests.integration.search.guide_python import MODULES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.descriptor import Descriptor

    from common.search.shapes import FieldShape

_MOST_KEYS: Final = 7
"""More than these are not named in one cell; they have a table of their own."""
HEAD: Final = "| option | takes |\n|---|---|\n"
_PROTOS: Final = Path(__file__).parents[3] / "protos" / "airlock" / "search" / "v1"
_COMMENTED: Final = re.compile(r"((?: *//.*\n)+) *(?:optional |repeated )?[\w.<>, ]+ (\w+) = \d+")
_WHOLE: Final = {FieldDescriptor.TYPE_UINT32: 2**32 - 1, FieldDescriptor.TYPE_UINT64: 2**64 - 1}
_MESSAGES: Final = {
    "Scalar": ("value", "values"),
    "Query": ("query", "queries"),
    "Aggregation": ("aggregation", "aggregations"),
    "BucketOrder": ('`{"…": "asc"}` or `{"…": "desc"}`', 'of `{"…": "asc"}` or `{"…": "desc"}`'),
    "TrackTotalHits": ("`true`, `false` or a whole number", ""),
}


def option_rows(name: str) -> str:
    """The table of one message's options, but for those that every clause has."""
    descriptor = _descriptor(name)
    common = _common() if name in _clauses() else frozenset()
    fields = [field for field in descriptor.fields if field.name not in common]
    rows = [_row(descriptor, field) for field in fields if field.json_name in shape_of(name).by_key]
    return _table(rows or [("", "only what every clause takes")])


def common_rows() -> str:
    """The table of what every clause takes."""
    descriptor = _descriptor("MatchAllQuery")
    return _table([_row(descriptor, field) for field in descriptor.fields if field.name in _common()])


def _table(rows: list[tuple[str, str]]) -> str:
    return HEAD + "".join(f"| {f'`{key}`' if key else '–'} | {takes} |\n" for key, takes in rows)


@cache
def _clauses() -> frozenset[str]:
    return frozenset(field.message for field in shape_of("Query").by_name.values())


@cache
def _common() -> frozenset[str]:
    return frozenset.intersection(*(frozenset(shape_of(name).by_name) for name in _clauses()))


def _descriptor(name: str) -> Descriptor:
    found = (module.DESCRIPTOR.message_types_by_name.get(name) for module in MODULES)
    return next(descriptor for descriptor in found if descriptor is not None)


def _row(descriptor: Descriptor, field: FieldDescriptor) -> tuple[str, str]:
    shape = shape_of(descriptor.name).by_name[field.name]
    rules = field.GetOptions().Extensions[validate_pb2.field]
    comment = _comments().get((descriptor.name, field.name)) or _same_form(field, rules)
    takes = _takes(field, shape, rules) if not (comment and rules.string.pattern) else _texts(field)
    required = "; required" if _is_required(field, rules) else ""
    return field.json_name, takes + required + (f". {comment}" if comment else "")


def _same_form(field: FieldDescriptor, rules: Any) -> str | None:
    """The comment of another field of the same name and the same form."""
    for module in MODULES:
        for other in module.DESCRIPTOR.message_types_by_name.values():
            comment = _comments().get((other.name, field.name))
            pattern = rules.string.pattern
            if comment and pattern:
                same = other.fields_by_name[field.name].GetOptions().Extensions[validate_pb2.field].string.pattern
                if same == pattern:
                    return comment
    return None


def _texts(field: FieldDescriptor) -> str:
    return "a text or a whole number" if field.name in NUMBER_AS_TEXT else "a text"


def _is_required(field: FieldDescriptor, rules: Any) -> bool:
    if field.is_repeated:
        return bool(rules.repeated.min_items or rules.map.min_pairs)
    has_rule = bool(rules.string.min_len or rules.double.HasField("gt"))
    return bool(rules.required or (has_rule and not field.has_presence))


def _takes(field: FieldDescriptor, shape: FieldShape, rules: Any) -> str:
    if shape.is_map:
        return f"an object, by name, of at most {_many(shape)}"
    if shape.repeated:
        inner = "" if shape.message else _plural(field, rules.repeated.items)
        return f"a list of at most {_many(shape)}{inner}"
    if shape.message:
        return _message(shape.message)
    return _single(field, shape, rules)


def _many(shape: FieldShape) -> str:
    if not shape.message:
        return f"{shape.max_items} "
    known = _MESSAGES.get(shape.message)
    return f"{shape.max_items} {known[1] if known else f'objects with {_keys(shape.message)}'}"


def _message(name: str) -> str:
    known = _MESSAGES.get(name)
    if known is None:
        return f"an object with {_keys(name).replace('their', 'its')}"
    return known[0] if known[0].startswith("`") else f"a {known[0]}"


def _keys(name: str) -> str:
    shape = shape_of(name)
    keys = [field.json_name for field in shape.by_name.values() if field.json_name in shape.by_key]
    return ", ".join(f"`{key}`" for key in keys) if len(keys) <= _MOST_KEYS else "options of their own, below"


def _single(field: FieldDescriptor, shape: FieldShape, rules: Any) -> str:
    if shape.enum is not None:
        return ", ".join(f"`{word}`" for word in shape.enum.by_word)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return "`true` or `false`"
    if field.type == FieldDescriptor.TYPE_STRING:
        return _text(field, rules.string)
    if field.type in _WHOLE:
        return f"a whole number{_between(rules.uint32 if field.type == FieldDescriptor.TYPE_UINT32 else rules.uint64)}"
    return f"a number{_between(rules.double)}"


def _plural(field: FieldDescriptor, rules: Any) -> str:
    if field.type == FieldDescriptor.TYPE_STRING:
        longest = rules.string.max_len or rules.string.max_bytes
        return f"texts of at most {longest} {'characters' if rules.string.max_len else 'bytes'}"
    return f"numbers{_between(rules.double)}"


def _text(field: FieldDescriptor, rules: Any) -> str:
    if rules.pattern:
        pattern = rules.pattern.removeprefix("^").removesuffix("$").replace("|", "\\|")
        return f"a text of the form `{pattern}`"
    longest = rules.max_len or rules.max_bytes
    return f"{_texts(field)} of at most {longest} {'characters' if rules.max_len else 'bytes'}"


def _between(rules: Any) -> str:
    least = f" from {rules.gte:g}" if rules.HasField("gte") else ""
    above = f" above {rules.gt:g}" if rules.HasField("gt") else ""
    most = ""
    if rules.HasField("lte"):
        most = f"{'' if least else ' up'} to {rules.lte:g}" if isinstance(rules.lte, float) else f" to {rules.lte}"
        most = most if least or most.startswith(" up") else f" up{most}"
    return least + above + most


@cache
def _comments() -> dict[tuple[str, str], str]:
    return {key: text for path in sorted(_PROTOS.glob("*.proto")) for key, text in _comments_of(path.read_text())}


def _comments_of(proto: str) -> Iterator[tuple[tuple[str, str], str]]:
    for message in re.finditer(r"^message (\w+) \{\n(.*?)^\}", proto, re.MULTILINE | re.DOTALL):
        for found in _COMMENTED.finditer(message[2]):
            lines = (line.strip().removeprefix("//").strip() for line in found[1].splitlines())
            yield (message[1], found[2]), " ".join(lines).replace("|", "\\|")
