"""Bundle messages as JSON and back, exactly: ids as UUIDs, digests in hexadecimal, times in ISO 8601, 64-bit numbers.

Enum values are written without their prefix and in lower case, scalars of a query as plain JSON values, and a query
under the names that Elasticsearch uses. What a message does not know is refused with its path.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import UUID

from airlock.search.v1.scalar_pb2 import Scalar
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from transfer.bundle.header import from_micros, to_micros
from transfer.cli.errors import RecordLineError

if TYPE_CHECKING:
    from google.protobuf.message import Message

_MICROS = "_micros"
_TEXT_BYTES = frozenset({"data"})
_INT64_MAX = 2**63 - 1
_TYPE_NAMES: Final = {bool: "true or false", str: "a string", float: "a number", int: "a whole number"}
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def to_json(message: Message, *, without: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The message as a JSON object; fields named in `without` are left out, at every depth."""
    content: dict[str, Any] = {}
    for field in _fields(message):
        if field.name not in without and _is_shown(message, field):
            key, value = _pair(field, getattr(message, field.name), without)
            content[key] = value
    return content


def _is_shown(message: Message, field: FieldDescriptor) -> bool:
    """Whatever says something: set fields, and numbers and booleans even when they are 0 and false."""
    if field.has_presence:
        return message.HasField(field.name)
    value = getattr(message, field.name)
    plain = field.type not in {FieldDescriptor.TYPE_ENUM, FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES}
    return bool(value) or (plain and not field.is_repeated and not field.name.endswith(_MICROS))


def _pair(field: FieldDescriptor, value: Any, without: frozenset[str]) -> tuple[str, Any]:  # noqa: ANN401 - any field
    name = json_name(field)
    if field.name.endswith(_MICROS):
        try:
            return name, time_text(from_micros(value))
        except OverflowError:
            # Beyond the year 9999 there is no ISO form; the number says it all the same.
            return field.name, value
    if is_map(field):
        value_field = _map_value(field)
        return name, {key: _one(value_field, value[key], without) for key in sorted(value)}
    if field.is_repeated:
        return name, [_one(field, item, without) for item in value]
    return name, _one(field, value, without)


def _one(field: FieldDescriptor, value: Any, without: frozenset[str]) -> Any:  # noqa: ANN401 - any field
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        return _scalar_to_json(value) if isinstance(value, Scalar) else to_json(value, without=without)
    if field.type == FieldDescriptor.TYPE_ENUM:
        return enum_text(cast("EnumDescriptor", field.enum_type), value)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return bytes_text(field.name, value)
    return value


def _scalar_to_json(scalar: Scalar) -> Any:  # noqa: ANN401 - any JSON scalar
    kind = scalar.WhichOneof("kind")
    return None if kind in {None, "null_value"} else getattr(scalar, cast("str", kind))


def from_json(into: Message, value: object, path: str) -> None:
    """Fills an empty message from the form that `to_json` writes. Raises RecordLineError, which names the path."""
    if not isinstance(value, dict):
        raise _wrong(path, "must be an object")
    fields = {json_name(field): field for field in _fields(into)}
    for key, item in value.items():
        field = fields.get(key)
        if field is None:
            raise _wrong(f"{path}.{key}", f"is not a field; the fields are {', '.join(sorted(fields))}")
        try:
            _fill(into, field, item, f"{path}.{key}")
        except ValueError:
            # What protobuf itself refuses: a number beyond the field's width, text that is not Unicode.
            raise _wrong(f"{path}.{key}", "is out of range or not valid text") from None


def _fill(into: Message, field: FieldDescriptor, value: object, path: str) -> None:
    target = getattr(into, field.name)
    if is_map(field):
        if not isinstance(value, dict):
            raise _wrong(path, "must be an object")
        for key, item in value.items():
            _fill_message(target[key], item, f"{path}.{key}")
    elif field.is_repeated:
        if not isinstance(value, list):
            raise _wrong(path, "must be a list")
        for number, item in enumerate(value):
            if field.type == FieldDescriptor.TYPE_MESSAGE:
                _fill_message(target.add(), item, f"{path}[{number}]")
            else:
                target.append(_value(field, item, f"{path}[{number}]"))
    elif field.type == FieldDescriptor.TYPE_MESSAGE:
        target.SetInParent()
        _fill_message(target, value, path)
    else:
        setattr(into, field.name, _value(field, value, path))


def _fill_message(target: Message, value: object, path: str) -> None:
    if isinstance(target, Scalar):
        _fill_scalar(target, value, path)
    else:
        from_json(target, value, path)


def _fill_scalar(target: Scalar, value: object, path: str) -> None:
    if value is None:
        target.null_value = True
    elif isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int) and -_INT64_MAX <= value + 1 <= _INT64_MAX + 1:
        target.int_value = value
    elif isinstance(value, int) and _INT64_MAX < value < 2**64:
        target.uint_value = value
    elif isinstance(value, float):
        target.double_value = value
    elif isinstance(value, str):
        target.string_value = value
    else:
        raise _wrong(path, "must be null, true, false, a number of at most 64 bits or a string")


def _value(field: FieldDescriptor, value: object, path: str) -> Any:  # noqa: ANN401 - any field
    if field.name.endswith(_MICROS):
        return _time_value(value, path)
    if field.type == FieldDescriptor.TYPE_ENUM:
        return _enum_value(cast("EnumDescriptor", field.enum_type), value, path)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _bytes_value(field.name, value, path)
    if field.type == FieldDescriptor.TYPE_BOOL:
        wanted: type = bool
    elif field.type == FieldDescriptor.TYPE_STRING:
        wanted = str
    elif field.type == FieldDescriptor.TYPE_DOUBLE:
        wanted, value = float, float(value) if type(value) is int else value
    else:
        wanted = int
    if type(value) is not wanted:
        raise _wrong(path, f"must be {_TYPE_NAMES[wanted]}")
    return value


def json_name(field: FieldDescriptor) -> str:
    """The key of a field: Elasticsearch's name in a query, else the field's own; times lose their unit."""
    if cast("Descriptor", field.containing_type).full_name.startswith("airlock.search."):
        return _CAMEL.sub("_", field.json_name).lower()
    return field.name.removesuffix(_MICROS)


def _fields(message: Message) -> list[FieldDescriptor]:
    # The stubs know two classes of descriptors; at run time there is one.
    return cast("list[FieldDescriptor]", message.DESCRIPTOR.fields)


def is_map(field: FieldDescriptor) -> bool:
    """Whether the field is a map, which protobuf describes as a list of pairs."""
    kind = field.message_type
    return kind is not None and kind.GetOptions().map_entry


def _map_value(field: FieldDescriptor) -> FieldDescriptor:
    return cast("Descriptor", field.message_type).fields_by_name["value"]


def time_text(moment: datetime) -> str:
    """ISO 8601 in UTC with microseconds: `2026-03-01T09:30:00.000000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _time_value(value: object, path: str) -> int:
    try:
        moment = datetime.fromisoformat(cast("str", value))
        if moment.tzinfo is not None:
            return to_micros(moment)
    except (TypeError, ValueError):
        pass
    raise _wrong(path, "must be a time with its zone, such as 2026-03-01T09:30:00Z")


def enum_text(kind: EnumDescriptor, number: int) -> str:
    """`completed` for OUTCOME_COMPLETED; the number itself for a value that this version does not know."""
    value = kind.values_by_number.get(number)
    return str(number) if value is None else value.name.removeprefix(_enum_prefix(kind)).lower()


def _enum_value(kind: EnumDescriptor, value: object, path: str) -> int:
    names = {enum_text(kind, number): number for number in kind.values_by_number if number}
    if not isinstance(value, str) or value not in names:
        raise _wrong(path, f"must be one of {', '.join(names)}")
    return names[value]


def _enum_prefix(kind: EnumDescriptor) -> str:
    return kind.values_by_number[0].name.removesuffix("UNSPECIFIED")


def bytes_text(name: str, value: bytes) -> str:
    r"""Ids as UUIDs, an answer's data as its text, everything else in hexadecimal.

    Bytes that are not UTF-8 become single surrogates, written as `\udcXX`, so that nothing is lost on the way back.
    """
    if name in _TEXT_BYTES:
        return value.decode("utf-8", "surrogateescape")
    is_id = (name == "id" or name.endswith("_id")) and len(value) == len(UUID(int=0).bytes)
    return str(UUID(bytes=value)) if is_id else value.hex()


def _bytes_value(name: str, value: object, path: str) -> bytes:
    try:
        text = cast("str", value)
        if name in _TEXT_BYTES:
            return text.encode("utf-8", "surrogateescape")
        return UUID(text).bytes if name == "id" or name.endswith("_id") else bytes.fromhex(text)
    except (AttributeError, TypeError, ValueError):
        form = "text" if name in _TEXT_BYTES else "a UUID" if name.endswith("id") else "hexadecimal"
        raise _wrong(path, f"must be {form}") from None


def _wrong(path: str, rule: str) -> RecordLineError:
    return RecordLineError(f"{path} {rule}.")
