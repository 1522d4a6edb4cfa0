"""Protobuf messages of any shape: fields left out, at their bounds, beyond them, or noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from hypothesis import strategies as st

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

Made = TypeVar("Made", bound="Message")

_SIGNED = {FieldDescriptor.CPPTYPE_INT32: 31, FieldDescriptor.CPPTYPE_INT64: 63}
_UNSIGNED = {FieldDescriptor.CPPTYPE_UINT32: 32, FieldDescriptor.CPPTYPE_UINT64: 64}
_BYTES = st.one_of(st.sampled_from([bytes(16), b"\x01" * 16, bytes(32), bytes(31), b"x"]), st.binary(max_size=40))
_TEXT = st.one_of(
    st.sampled_from(["v1", "user", "admin", "cities", "a" * 32, "a" * 256, "é" * 128, "\x00"]), st.text(max_size=40)
)
_DEPTH = 4
_MAX_ITEMS = 3


@st.composite
def messages(draw: st.DrawFn, kind: type[Made]) -> Made:
    """A message of that type."""
    message = kind()
    _fill(draw, message, _DEPTH)
    return message


@st.composite
def nearly(draw: st.DrawFn, original: Made) -> Made:
    """A message that differs from the original in at most two fields of it, or of the message in its oneof."""
    message = type(original)()
    message.CopyFrom(original)
    inner: Message = message
    for oneof in message.DESCRIPTOR.oneofs:
        inner = getattr(message, message.WhichOneof(oneof.name) or oneof.fields[0].name)
    plain = [field for field in inner.DESCRIPTOR.fields if field.message_type is None]
    fields = draw(st.lists(st.sampled_from(plain), max_size=2, unique_by=lambda field: field.name))
    for field in fields:
        inner.ClearField(field.name)
    _set(draw, inner, fields, 0)
    return message


def _fill(draw: st.DrawFn, message: Message, depth: int) -> None:
    _set(draw, message, _chosen(draw, message.DESCRIPTOR), depth)


def _set(draw: st.DrawFn, message: Message, fields: list[FieldDescriptor], depth: int) -> None:
    for field in fields:
        if field.message_type is None:
            value = _scalar(field)
            if field.is_repeated:
                getattr(message, field.name).extend(draw(st.lists(value, max_size=_MAX_ITEMS)))
            else:
                setattr(message, field.name, draw(value))
        elif depth and not field.message_type.GetOptions().map_entry:
            if field.is_repeated:
                for _ in range(draw(st.integers(0, _MAX_ITEMS))):
                    _fill(draw, getattr(message, field.name).add(), depth - 1)
            else:
                inner = getattr(message, field.name)
                inner.SetInParent()
                _fill(draw, inner, depth - 1)


def _chosen(draw: st.DrawFn, descriptor: Descriptor) -> list[FieldDescriptor]:
    """Every field with a fair chance; of a oneof, one or none."""
    chosen = [field for field in descriptor.fields if field.containing_oneof is None and draw(st.integers(0, 3))]
    for oneof in descriptor.oneofs:
        field = draw(st.sampled_from([None, *oneof.fields]))
        if field is not None:
            chosen.append(field)
    return chosen


def _scalar(field: FieldDescriptor) -> st.SearchStrategy[object]:
    if field.cpp_type in _SIGNED:
        bound = 2 ** _SIGNED[field.cpp_type]
        return st.one_of(st.integers(1, 10), st.integers(-bound, bound - 1), st.sampled_from([0, -1, bound - 1]))
    if field.cpp_type in _UNSIGNED:
        bound = 2 ** _UNSIGNED[field.cpp_type]
        return st.one_of(st.integers(1, 10), st.integers(0, bound - 1), st.sampled_from([0, bound // 2, bound - 1]))
    if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        return st.one_of(st.sampled_from([value.number for value in field.enum_type.values]), st.integers(-1, 200))
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return st.booleans()
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _BYTES
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return _TEXT
    return st.floats(width=32)
