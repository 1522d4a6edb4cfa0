"""Reads a search body as one pastes it into Elasticsearch, strictly, into the typed message.

What is regular is read by the descriptors' shapes; `common.search.short_forms` reads the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airlock.search.v1.search_pb2 import Search

from common.search import strict_json
from common.search.expected import fields_at_once, no_map, no_object, not_one_of, without_name
from common.search.not_carried import advice_for
from common.search.scalars import WrongValueError, check_count, read_field_value
from common.search.shapes import FieldShape, MessageShape, shape_of
from common.search.short_forms import Fields, irregular, read_scalars
from common.search.violations import Path, Violations

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from common.search.strict_json import Json

MAX_BODY_BYTES = 256 * 1024


def read_body(body: bytes) -> Search:
    """The search that `body` (JSON in UTF-8, at most 256 KiB) holds; nothing in it is ignored.

    Raises QueryInvalidError, whose violations name path, cause and the nearest valid name, for anything that is not in
    the language: unknown or repeated keys, wrong types, NaN, more than one clause where one belongs.
    """
    violations = Violations()
    if not body.strip():
        violations.add((), "is empty; send {} to ask for every document")
    else:
        value = strict_json.parse(body, MAX_BODY_BYTES, violations)
    violations.raise_if_any()
    search = Search()
    BodyReader(violations).read_message(search, shape_of("Search"), value, ())
    violations.raise_if_any()
    return search


class BodyReader:
    """Fills messages from JSON values, and goes on after a violation so that one answer names them all."""

    def __init__(self, violations: Violations) -> None:
        self.violations = violations

    def read_message(self, message: Message, shape: MessageShape, value: Json, path: Path) -> None:
        """Fills `message` from an object, or from the bare scalar that may stand for it."""
        if not isinstance(value, dict):
            if shape.short_form is None or isinstance(value, list) or value is None:
                self.violations.add(path, no_object(shape, value))
            else:
                self.read_field(message, shape.short_form, value, path)
            return
        seen = set()
        for key, inner in value.items():
            field = shape.by_key.get(key)
            if field is None:
                self._refuse_key(shape, key, path)
            elif field.name in seen:
                self.violations.add((*path, key), f"says {field.json_name} a second time; keep one")
            else:
                seen.add(field.name)
                self.read_field(message, field, inner, (*path, key))
        if shape.exactly_one_of:
            self._check_one(shape, seen, path)

    def read_field(self, message: Message, field: FieldShape, value: Json, path: Path) -> None:
        """Sets one field of `message`."""
        try:
            # Before anything is made of them: a body has room for a hundred thousand.
            if isinstance(value, list | dict) and not field.keyed_by_one_field:
                check_count(field, len(value))
            read = irregular(field) or BodyReader.read_regular
            read(self, message, field, value, path)
        except WrongValueError as wrong:
            self.violations.add(path, str(wrong))

    def read_regular(self, message: Message, field: FieldShape, value: Json, path: Path) -> None:
        """Sets a field whose JSON is shaped like it; raises WrongValueError."""
        if field.is_map:
            self._read_map(getattr(message, field.name), field, value, path)
        elif field.message == "Scalar":
            read_scalars(self, message, field, value, path)
        elif field.repeated:
            self._read_list(getattr(message, field.name), field, value, path)
        elif field.message:
            inner: Message = getattr(message, field.name)
            inner.SetInParent()
            self.read_message(inner, shape_of(field.message), value, path)
        else:
            setattr(message, field.name, read_field_value(field, value))

    def _read_map(self, entries: Fields, field: FieldShape, value: Json, path: Path) -> None:
        if not isinstance(value, dict):
            raise WrongValueError(no_map(field, value))
        shape = shape_of(field.message)
        if field.keyed_by_one_field and len(value) != 1:
            raise WrongValueError(fields_at_once(shape, value))
        for key, inner in value.items():
            self.read_message(entries[key], shape, inner, (*path, key))

    def _read_list(self, items: Fields, field: FieldShape, value: Json, path: Path) -> None:
        """A list; a single value stands for a list of one, as it does in Elasticsearch."""
        values = value if isinstance(value, list) else [value]
        for position, inner in enumerate(values):
            inner_path = (*path, position) if isinstance(value, list) else path
            if field.message:
                self.read_message(items.add(), shape_of(field.message), inner, inner_path)
                continue
            try:
                items.append(read_field_value(field, inner))
            except WrongValueError as wrong:
                self.violations.add(inner_path, str(wrong))

    def _refuse_key(self, shape: MessageShape, key: str, path: Path) -> None:
        if self.violations.full:
            self.violations.add(path, "")
            return
        advice = without_name(shape, path) or advice_for(shape, key)
        self.violations.add((*path, key), f"is not a key that Airlock carries here; {advice}")

    def _check_one(self, shape: MessageShape, seen: set[str], path: Path) -> None:
        found = sorted(shape.exactly_one_of & seen)
        if len(found) == 1 or (not found and self.violations.found):
            return
        self.violations.add(path, not_one_of(shape, found))
