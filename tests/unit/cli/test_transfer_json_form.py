"""Every message that travels has one JSON form, from which exactly the same message comes back."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest
from airlock.bundle.v1.acknowledgement_pb2 import Acknowledgements
from airlock.bundle.v1.header_pb2 import BundleHeader
from airlock.bundle.v1.record_pb2 import Record
from airlock.search.v1.scalar_pb2 import Scalar
from airlock.search.v1.search_pb2 import Search
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given, settings
from hypothesis import strategies as st

from transfer.cli.errors import RecordLineError
from transfer.cli.json_form import from_json, is_map, to_json

if TYPE_CHECKING:
    from google.protobuf.message import Message

LAST_MICROS = 253_402_300_799_999_999  # The end of the year 9999.
INTEGERS = {
    FieldDescriptor.TYPE_INT64: [-(2**63), -1, 0, 2**53 + 1, 2**63 - 1],
    FieldDescriptor.TYPE_UINT64: [0, 1, 2**53 + 1, 2**64 - 1],
    FieldDescriptor.TYPE_UINT32: [0, 1, 2**32 - 1],
}
TEXTS = ["", "a", "تهران", "\x00\x1b\u2028\u202e", "\U0001f600", '"\\']
DOUBLES = [0.0, -0.0, 1.0, 0.1, 1e300, 5e-324]
DEPTH = 5


class Filler:
    """Fills messages at random, the same way for the same seed: one field of each oneof, others as it comes."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def fill(self, message: Message, depth: int = 0) -> Message:
        if isinstance(message, Scalar):
            return self.fill_scalar(message)
        oneofs = [one for one in message.DESCRIPTOR.oneofs if len(one.fields) > 1]
        chosen = {self.random.choice(list(one.fields)).name for one in oneofs}
        for field in message.DESCRIPTOR.fields:
            in_oneof = field.containing_oneof in oneofs
            if (field.name in chosen) if in_oneof else self.random.random() < 0.4:
                self.fill_field(message, field, depth)
        return message

    def fill_field(self, message: Message, field: FieldDescriptor, depth: int) -> None:
        target = getattr(message, field.name)
        if field.message_type is None:
            if field.is_repeated:
                target.extend(self.value(field) for _ in range(self.random.randrange(3)))
            else:
                setattr(message, field.name, self.value(field))
        elif depth < DEPTH:
            if is_map(field):
                self.fill(target[self.random.choice(TEXTS)], depth + 1)
            elif field.is_repeated:
                self.fill(target.add(), depth + 1)
            else:
                target.SetInParent()
                self.fill(target, depth + 1)

    def value(self, field: FieldDescriptor) -> Any:
        if field.name.endswith("_micros"):
            return self.random.randint(1, LAST_MICROS)
        if field.type == FieldDescriptor.TYPE_BYTES:
            is_id = field.name == "id" or field.name.endswith("_id")
            return self.random.randbytes(16 if is_id else self.random.randrange(40))
        if field.type == FieldDescriptor.TYPE_ENUM:
            assert field.enum_type is not None
            return self.random.choice([value.number for value in field.enum_type.values if value.number])
        if field.type == FieldDescriptor.TYPE_BOOL:
            return self.random.random() < 0.5
        if field.type == FieldDescriptor.TYPE_DOUBLE:
            return self.random.choice(DOUBLES)
        return self.random.choice(INTEGERS.get(field.type, TEXTS))

    def fill_scalar(self, scalar: Scalar) -> Scalar:
        """As a query has them: null is true, and uint only what int cannot hold."""
        field = self.random.choice(list(Scalar.DESCRIPTOR.fields))
        value = {"null_value": True, "uint_value": 2**64 - 1}.get(field.name, self.value(field))
        setattr(scalar, field.name, value)
        return scalar


@pytest.mark.parametrize("kind", [Record, Search, Acknowledgements, BundleHeader])
@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_what_is_written_reads_back_as_the_same_message(kind: type[Message], seed: int) -> None:
    message = Filler(seed).fill(kind())
    written = json.dumps(to_json(message))
    back = kind()
    from_json(back, json.loads(written), "message")
    assert back == message, written


@pytest.mark.parametrize(
    ("scalar", "written"),
    [
        (Scalar(int_value=1), "1"),
        (Scalar(double_value=1.0), "1.0"),
        (Scalar(int_value=9007199254740993), "9007199254740993"),
        (Scalar(uint_value=2**64 - 1), "18446744073709551615"),
        (Scalar(int_value=-(2**63)), "-9223372036854775808"),
        (Scalar(bool_value=True), "true"),
        (Scalar(string_value="1"), '"1"'),
        (Scalar(null_value=True), "null"),
    ],
)
def test_scalars_of_a_query_are_plain_json_and_exact(scalar: Scalar, written: str) -> None:
    search = Search()
    search.query.term["field"].value.CopyFrom(scalar)
    assert json.dumps(to_json(search)["query"]["term"]["field"]["value"]) == written


def test_a_query_has_the_names_of_elasticsearch() -> None:
    search = Search(from_offset=3)
    search.source_filter.includes.append("name")
    search.query.bool.minimum_should_match = "1"
    written = to_json(search)
    assert written == {"query": {"bool": {"minimum_should_match": "1"}}, "from": 3, "_source": {"includes": ["name"]}}


def test_a_time_that_no_calendar_has_is_shown_as_its_number() -> None:
    assert to_json(BundleHeader(created_at_micros=2**62))["created_at_micros"] == 2**62


@pytest.mark.parametrize("value", [None, 1, "text", [], {"unknown": 1}, {"id": {}}, {"search": []}])
def test_what_is_no_such_message_is_refused_with_its_path(value: object) -> None:
    request = GetMessageClass(Record.DESCRIPTOR.fields_by_name["request"].message_type)()
    with pytest.raises(RecordLineError, match=r"^line 7"):
        from_json(request, value, "line 7")
