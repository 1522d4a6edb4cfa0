"""Which answers may be shown as a JSON object inside another message."""

from __future__ import annotations

import json

import pytest
from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct

from request_svc.domain.inline import MAX_DEPTH, MAX_INLINE_BYTES, NotInlineError, inline_object

UNCHANGED = [
    '{"took": 3, "hits": {"max_score": 1.0, "hits": []}}',
    '{"whole": [0, -1, 9007199254740992, -9007199254740992]}',
    '{"fractions": [0.1, 0.28768207245178085, 1e21, 1.5E-7, 0.0, 100.0]}',
    '{"text": "تهران \\u062a \\ud83d\\ude00 \\u0000"}',
    '{"nothing": null, "yes": true, "no": false, "empty": {}}',
    "{}",
]
CHANGED = {
    "a whole number beyond 2^53": '{"a": 9007199254740993}',
    "a long number": '{"a": 123456789012345678901234567890}',
    "a number too long to read": '{"a": ' + "9" * 5000 + "}",
    "a fraction with more digits than a double has": '{"a": 0.1234567890123456789}',
    "a number beyond all doubles": '{"a": 1e400}',
    "a number below all doubles": '{"a": 1e-400}',
    "an exponent beyond all decimals": '{"a": 1e-99999999999999999999}',
    "a negative zero": '{"a": -0.0}',
    "a negative whole zero": '{"a": -0}',
    "the same key twice": '{"a": 1, "a": 1}',
    "NaN": '{"a": NaN}',
    "infinity": '{"a": -Infinity}',
    "half a surrogate pair": '{"a": "\\ud83d"}',
    "half a surrogate pair in a key": '{"\\udc00": 1}',
    "a list": "[1]",
    "no JSON": "{",
    "too deep": '{"a":' * (MAX_DEPTH + 1) + "1" + "}" * (MAX_DEPTH + 1),
    "far too deep": '{"a":' * 20_000 + "1" + "}" * 20_000,
    "too long": '{"a": "' + "x" * MAX_INLINE_BYTES + '"}',
}


@pytest.mark.parametrize("text", UNCHANGED)
def test_what_is_shown_inline_says_the_same_after_its_way_through_a_struct(text: str) -> None:
    shown = Struct()
    shown.update(inline_object(text.encode()))
    arrived = Struct.FromString(shown.SerializeToString())
    assert json.loads(json_format.MessageToJson(arrived)) == json.loads(text)


@pytest.mark.parametrize("text", CHANGED.values(), ids=CHANGED.keys())
def test_what_a_struct_would_change_is_left_out_with_a_reason(text: str) -> None:
    with pytest.raises(NotInlineError) as left_out:
        inline_object(text.encode())
    assert str(left_out.value).startswith("the answer ")


def test_bytes_that_are_not_utf8_are_left_out() -> None:
    with pytest.raises(NotInlineError, match="not plain JSON"):
        inline_object(b'{"a": "\xff"}')


def test_the_deepest_object_that_is_shown_can_be_read_again() -> None:
    deepest = '{"a":' * (MAX_DEPTH - 1) + "1" + "}" * (MAX_DEPTH - 1)
    shown = Struct()
    shown.update(inline_object(deepest.encode()))
    assert Struct.FromString(shown.SerializeToString()) == shown
