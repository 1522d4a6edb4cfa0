"""The rules checked by hand are those written beside the fields: both judge the same records alike."""

from __future__ import annotations

from typing import Any

import pytest
from airlock.bundle.v1.record_pb2 import (
    OUTCOME_CANCELLED,
    OUTCOME_COMPLETED,
    OUTCOME_FAILED,
    Cancellation,
    Record,
    Request,
    Response,
)
from airlock.bundle.v1.replication_pb2 import Index, IndexField, ProfileType, Setting, TableState, User
from airlock.search.v1.search_pb2 import Search

from transfer.bundle.record_shapes import SHAPES, all_plain_responses
from transfer.bundle.rules import check_rules

ID, HASH = b"i" * 16, b"h" * 32

GOOD: dict[str, Any] = {
    "request": Request(id=ID, user_id=ID, index="cities", priority=5, created_at_micros=1, search=Search()),
    "cancellation": Cancellation(request_id=ID, cancelled_at_micros=1),
    "response": Response(
        request_id=ID, outcome=OUTCOME_COMPLETED, total_length=2, sha256=HASH, data=b"{}", executions=1
    ),
    "table_state": TableState(snapshot=True, revision=1, row_count=1, table_digest=HASH),
    "user": User(
        id=ID,
        username="sara",
        email="s@x.org",
        hashed_password="$argon2id$",
        role="user",
        profile_type="standard",
        priority=5,
        revision=1,
        inherits=[1, 4],
        session_version=7,
    ),
    "profile_type": ProfileType(
        name="premium",
        rate_limit_per_minute=60,
        rate_limit_per_hour=1000,
        rate_limit_per_day=10_000,
        priority=6,
        query_kinds=["match", "term"],
        indices=["cities", "flights"],
        max_result_bytes=1 << 20,
        revision=1,
    ),
    "setting": Setting(key="query.max_depth", int_value=10, revision=1),
    "index": Index(
        name="cities",
        fields=[IndexField(name="name", type="text"), IndexField(name="name.raw", type="keyword")],
        revision=1,
    ),
}

# Every rule beside a field, broken once, and the edge that it still allows.
BROKEN = [
    ("request", "id", b"i" * 15),
    ("request", "id", b"i" * 17),
    ("request", "user_id", b""),
    ("request", "index", ""),
    ("request", "index", "é" * 128),
    ("request", "priority", 0),
    ("request", "priority", 11),
    ("request", "created_at_micros", 0),
    ("request", "not_after_micros", -1),
    ("request", "trace_id", "é" * 65),
    ("cancellation", "request_id", b"i" * 15),
    ("cancellation", "cancelled_at_micros", 0),
    ("response", "request_id", b""),
    ("response", "outcome", 0),
    ("response", "outcome", 4),
    ("response", "failure_reason", 99),
    ("response", "message", "é" * 2049),
    ("response", "executions", 101),
    ("response", "executed_at_micros", -1),
    ("response", "total_length", (32 << 20) + 1),
    ("response", "sha256", b"h" * 33),
    ("response", "data", b"x" * 131_073),
    ("table_state", "table_digest", b"h" * 31),
    ("user", "id", b""),
    ("user", "username", ""),
    ("user", "username", "x" * 101),
    ("user", "email", ""),
    ("user", "email", "x" * 256),
    ("user", "hashed_password", ""),
    ("user", "hashed_password", "x" * 256),
    ("user", "full_name", "x" * 256),
    ("user", "role", "root"),
    ("user", "profile_type", ""),
    ("user", "profile_type", "x" * 51),
    ("user", "priority", 0),
    ("user", "priority", 11),
    ("user", "revision", 0),
    ("user", "inherits", [0]),
    ("user", "inherits", [5]),
    ("user", "inherits", [1, 2, 3, 4, 4]),
    ("profile_type", "name", ""),
    ("profile_type", "name", "Premium"),
    ("profile_type", "name", "p" * 51),
    ("profile_type", "name", "premium\n"),
    ("profile_type", "description", "x" * 256),
    ("profile_type", "rate_limit_per_minute", 0),
    ("profile_type", "rate_limit_per_minute", 1_000_001),
    ("profile_type", "rate_limit_per_hour", 0),
    ("profile_type", "rate_limit_per_hour", 1_000_001),
    ("profile_type", "rate_limit_per_day", 0),
    ("profile_type", "rate_limit_per_day", 10_000_001),
    ("profile_type", "priority", 0),
    ("profile_type", "priority", 11),
    ("profile_type", "query_kinds", [f"k{n:03}" for n in range(65)]),
    ("profile_type", "query_kinds", [""]),
    ("profile_type", "query_kinds", ["k" * 51]),
    ("profile_type", "indices", [f"i{n:04}" for n in range(1001)]),
    ("profile_type", "indices", [""]),
    ("profile_type", "indices", ["é" * 128]),
    ("profile_type", "max_result_bytes", 0),
    ("profile_type", "max_result_bytes", (32 << 20) + 1),
    ("profile_type", "revision", 0),
    ("setting", "key", "query"),
    ("setting", "key", "query.Max"),
    ("setting", "key", "query." + "m" * 51),
    ("setting", "key", "query.max\n"),
    ("setting", "string_value", "x" * 1001),
    ("setting", "revision", 0),
    ("index", "name", ""),
    ("index", "name", "é" * 128),
    ("index", "description", "x" * 256),
    ("index", "fields", [IndexField(name=f"f{n:04}", type="long") for n in range(5001)]),
    ("index", "fields", [IndexField(type="long")]),
    ("index", "fields", [IndexField(name="é" * 257, type="long")]),
    ("index", "fields", [IndexField(name="f")]),
    ("index", "fields", [IndexField(name="f", type="t" * 51)]),
    ("index", "revision", 0),
]
EDGES = [
    ("request", "index", "é" * 127 + "x"),
    ("request", "trace_id", "é" * 64),
    ("request", "priority", 10),
    ("response", "executions", 100),
    ("response", "total_length", 32 << 20),
    ("user", "username", "é" * 100),
    ("user", "full_name", "é" * 255),
    ("user", "inherits", [1, 2, 3, 4]),
    ("user", "inherits", []),
    ("user", "session_version", 2**32 - 1),
    ("profile_type", "name", "p" * 50),
    ("profile_type", "query_kinds", [f"k{n:03}" for n in range(64)]),
    ("profile_type", "indices", [f"i{n:04}" for n in range(1000)]),
    ("profile_type", "indices", ["*"]),
    ("setting", "string_value", "é" * 1000),
    ("setting", "int_value", -(2**63)),
    ("setting", "bool_value", False),
    ("index", "name", "é" * 127 + "x"),
    ("index", "fields", [IndexField(name=f"f{n:04}", type="long") for n in range(5000)]),
    ("index", "fields", [IndexField(name="é" * 256, type="é" * 50)]),
]
# Rules that no option beside a field can say.
LISTS = [
    ("user", "inherits", [2, 1]),
    ("user", "inherits", [3, 3]),
    ("profile_type", "query_kinds", ["term", "match"]),
    ("profile_type", "indices", ["cities", "cities"]),
    ("index", "fields", [IndexField(name="b", type="long"), IndexField(name="a", type="long")]),
    ("index", "fields", [IndexField(name="a", type="long"), IndexField(name="a", type="text")]),
    ("setting", "is_deleted", True),
]


def changed(content: str, field: str, value: object) -> Any:
    message = type(GOOD[content])()
    message.CopyFrom(GOOD[content])
    if isinstance(value, list):
        message.ClearField(field)
        getattr(message, field).extend(value)
    else:
        setattr(message, field, value)
    return message


@pytest.mark.parametrize("content", GOOD)
def test_a_good_record_breaks_no_rule(content: str) -> None:
    assert SHAPES[content](GOOD[content]) is None
    assert check_rules(GOOD[content]) is None


@pytest.mark.parametrize(("content", "field", "value"), BROKEN)
def test_a_broken_rule_is_found_by_hand_as_by_the_validator(content: str, field: str, value: object) -> None:
    message = changed(content, field, value)
    assert check_rules(message) is not None, "the proto has another rule"
    assert SHAPES[content](message) is not None


@pytest.mark.parametrize(("content", "field", "value"), EDGES)
def test_the_edge_of_a_rule_is_allowed_by_both(content: str, field: str, value: object) -> None:
    message = changed(content, field, value)
    assert check_rules(message) is None
    assert SHAPES[content](message) is None


@pytest.mark.parametrize(("content", "field", "value"), LISTS)
def test_a_row_has_one_encoding(content: str, field: str, value: object) -> None:
    assert SHAPES[content](changed(content, field, value)) is not None


def test_only_a_setting_that_was_put_back_has_no_value() -> None:
    assert SHAPES["setting"](Setting(key="query.max_depth", revision=1)) is not None
    assert SHAPES["setting"](Setting(key="query.max_depth", revision=1, is_deleted=True)) is None


def test_a_request_without_search_is_refused() -> None:
    message = Request()
    message.CopyFrom(GOOD["request"])
    message.ClearField("search")
    assert check_rules(message) is not None
    assert SHAPES["request"](message) is not None


@pytest.mark.parametrize(
    "message",
    [
        changed("response", "sha256", b""),
        changed("response", "total_length", 1),
        changed("response", "failure_reason", 1),
        changed("response", "message", "but it succeeded"),
        changed("response", "outcome", OUTCOME_CANCELLED),
        Response(request_id=ID, outcome=OUTCOME_FAILED),
        Response(request_id=ID, outcome=OUTCOME_CANCELLED, failure_reason=1),
        Response(request_id=ID, outcome=OUTCOME_COMPLETED, sha256=HASH),
    ],
)
def test_an_answer_that_contradicts_itself_is_refused(message: Response) -> None:
    assert SHAPES["response"](message) is not None
    assert not all_plain_responses([Record(response=message)])


@pytest.mark.parametrize(
    "message",
    [
        Response(request_id=ID, outcome=OUTCOME_FAILED, failure_reason=1, message="Refused."),
        Response(request_id=ID, outcome=OUTCOME_CANCELLED),
        Response(request_id=ID, outcome=OUTCOME_COMPLETED),
    ],
)
def test_ends_without_an_answer_are_taken(message: Response) -> None:
    assert SHAPES["response"](message) is None


@pytest.mark.parametrize(
    "message",
    [
        TableState(snapshot=True, since_revision=1, revision=2, table_digest=HASH),
        TableState(since_revision=3, revision=2, table_digest=HASH),
    ],
)
def test_a_table_state_that_contradicts_itself_is_refused(message: TableState) -> None:
    assert SHAPES["table_state"](message) is not None


def test_the_quick_look_takes_answers_only() -> None:
    answer = Record(response=GOOD["response"])
    assert all_plain_responses([answer, answer])
    assert not all_plain_responses([answer, Record(request=GOOD["request"])])
    assert not all_plain_responses([answer, Record()])


@pytest.mark.parametrize(("content", "field", "value"), [case for case in BROKEN if case[0] == "response"])
def test_the_quick_look_passes_nothing_that_the_slow_one_refuses(content: str, field: str, value: object) -> None:
    assert not all_plain_responses([Record(response=changed(content, field, value))])
