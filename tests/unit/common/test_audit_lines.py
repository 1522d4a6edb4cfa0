"""The form of an audit row as a line is frozen: the digests of every sealed segment stand on it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from common.audit.lines import line_of
from common.audit.search import visible, visible_json

FULL = {
    "id": 42,
    "created_at": datetime(2026, 3, 1, 12, 0, 0, 120, tzinfo=UTC),
    "action": "auth.sign_in_refused",
    "outcome": "refused",
    "user_id": "00112233-4455-6677-8899-aabbccddeeff",
    "ip_address": "192.0.2.7",
    "user_agent": "curl/8",
    "resource_type": "session",
    "resource_id": "a",
    "response_status": 16,
    "request_data": '{"n": 1.50}',
    "metadata": '{"username": "sara"}',
}


def line(**changes: Any) -> bytes:
    return line_of(cast("Any", SimpleNamespace(**(FULL | changes))))


def test_the_line_of_a_full_row() -> None:
    assert line() == (
        b'{"id":42,"created_at":"2026-03-01T12:00:00.000120Z","action":"auth.sign_in_refused","outcome":"refused",'
        b'"user_id":"00112233-4455-6677-8899-aabbccddeeff","ip_address":"192.0.2.7","user_agent":"curl/8",'
        b'"resource_type":"session","resource_id":"a","response_status":16,"request_data":{"n": 1.50},'
        b'"metadata":{"username": "sara"}}\n'
    )


def test_what_is_absent_is_null() -> None:
    absent = dict.fromkeys(
        ["user_id", "ip_address", "user_agent", "resource_type", "resource_id", "response_status", "request_data"]
    )
    told = json.loads(line(**absent, metadata=None))
    assert {name: told[name] for name in (*absent, "metadata")} == {**absent, "metadata": None}


@pytest.mark.parametrize("text", ["سارا", "\x7f\x80\x9f", "\u202e", "😀", '"\\\n\r\t\x1b', "\ufffd", " "])
def test_any_text_is_one_line_of_ascii_and_is_read_back(text: str) -> None:
    content = line(user_agent=text, metadata=json.dumps({text: text}, ensure_ascii=False))
    assert content.count(b"\n") == 1
    assert all(0x20 <= byte < 0x7F for byte in content[:-1])
    told = json.loads(content)
    assert (told["user_agent"], told["metadata"]) == (text, {text: text})


def test_what_is_shown_to_people_is_printable() -> None:
    assert visible("سارا نام\u200cها") == "سارا نام\u200cها"
    assert visible("a\x1b[2J\n\u202e\ufeff") == "a\\u001b[2J\\u000a\\u202e\\ufeff"
    assert visible_json({"a\n": ["\r", 1, None, {"b": "\x00"}]}) == {"a\\u000a": ["\\u000d", 1, None, {"b": "\\u0000"}]}
