"""A body with several questions: how it is told apart, and what is said of each way to be wrong."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from common.errors import AirlockError, FieldViolation, InvalidFieldError, QueryInvalidError, QueryLimitError
from request_svc.domain.batch import MAX_BATCH, MAX_HEADER, MAX_QUESTIONS, Batch
from request_svc.domain.batch_refusal import MAX_VIOLATIONS, batch_refusal
from request_svc.domain.question import Question

SEARCH = b'{"query":{"match_all":{}}}'


def read(body: bytes, index: str = "") -> list[Question]:
    return [reader() for reader in Batch(body, index).split()]


def refused(header: str | bytes, index: str = "cities") -> InvalidFieldError:
    line = header.encode() if isinstance(header, str) else header
    with pytest.raises(InvalidFieldError) as caught:
        read(line + b"\n" + SEARCH + b"\n", index)
    return caught.value


def test_a_header_has_the_options_of_one_question() -> None:
    header = {
        "index": "cities",
        "priority": 3,
        "idempotency_key": "monday-1",
        "not_after": "2026-03-01T11:30:00.5+03:30",
        "accept_partial": True,
    }
    body = json.dumps(header).encode() + b"\n" + SEARCH + b'\n{"index":"flights"}\n{"size": 0}\n'
    first, second = read(body)
    assert first == Question(
        index="cities",
        body=SEARCH,
        priority=3,
        idempotency_key="monday-1",
        not_after=datetime(2026, 3, 1, 8, 0, 0, 500_000, tzinfo=UTC),
        accept_partial=True,
    )
    assert second == Question(index="flights", body=b'{"size": 0}')


@pytest.mark.parametrize(
    "body",
    [
        b"{}\n" + SEARCH,
        b"{}\n" + SEARCH + b"\n",
        b"{}\r\n" + SEARCH + b"\r\n",
        b"{}\n" + SEARCH + b"\n\n \n",
        b"\n" + SEARCH + b"\n",
        b"  \n" + SEARCH + b"\n",
    ],
    ids=[
        "no last line break",
        "as it should be",
        "lines of Windows",
        "blank lines behind",
        "empty header",
        "blank one",
    ],
)
def test_line_breaks_are_as_clients_write_them(body: bytes) -> None:
    assert read(body, "cities") == [Question(index="cities", body=SEARCH)]


def test_a_header_names_another_index_than_the_rest() -> None:
    body = b'{"index":"flights"}\n{}\n{}\n{}\n'
    assert [question.index for question in read(body, "cities")] == ["flights", "cities"]


def test_a_body_arrives_byte_for_byte() -> None:
    search = ' {"query": {"match" :{"name":"تهران"}}, "size":1.0e1} '.encode()
    assert read(b"{}\n" + search + b"\n{}\n{}", "cities")[0].body == search


@pytest.mark.parametrize(
    ("header", "field", "cause"),
    [
        ('{"prioriti": 3}', "prioriti", "did you mean priority?"),
        ('{"search_type": "dfs"}', "search_type", "known here: accept_partial, idempotency_key, index"),
        ('{"index": ["cities"]}', "index", "ask each index by itself"),
        ('{"index": 7}', "index", "must be a string, not a number"),
        ('{"priority": "3"}', "priority", "must be a whole number from 1 to 10"),
        ('{"priority": true}', "priority", "must be a whole number from 1 to 10"),
        ('{"priority": 11}', "priority", "must be a whole number from 1 to 10"),
        ('{"priority": 1e1}', "priority", "must be a whole number from 1 to 10"),
        ('{"priority": 99999999999999999999}', "priority", "must be a whole number from 1 to 10"),
        ('{"not_after": "tomorrow"}', "not_after", "must be a time such as"),
        ('{"not_after": 1770000000}', "not_after", "must be a string"),
        ('{"not_after": "0000-01-01T00:00:00Z"}', "not_after", "must be a time such as"),
        ('{"accept_partial": "true"}', "accept_partial", "must be true or false, not a string"),
        ('{"idempotency_key": null}', "idempotency_key", "must be a string, not null"),
        ('{"priority": 3, "priority": 4}', "priority", "stands twice"),
        ('{"priority": NaN}', "priority", "must be a whole number"),
        ("[]", "header", "must be an object, not a list"),
        ('{"index": "cities"', "header", "is not JSON"),
        (b'{"index": "\xff"}', "header", "is not UTF-8"),
        ('\ufeff{"index": "cities"}', "header", "byte order mark"),
        ('{"index": "' + "x" * MAX_HEADER + '"}', "header", f"at most {MAX_HEADER} are allowed"),
        ("{" * 100, "header", "nested deeper"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_header_is_read_strictly(header: str | bytes, field: str, cause: str) -> None:
    [violation] = refused(header).violations
    assert violation.field == field
    assert cause in violation.description


def test_everything_wrong_in_a_header_is_named_at_once_and_within_bounds() -> None:
    error = refused('{"priority": 0, "accept_partial": 1, "indx": "cities"}')
    assert [one.field for one in error.violations] == ["priority", "accept_partial", "indx"]
    many = refused(json.dumps({f"k{number}": 1 for number in range(300)}))
    assert len(many.violations) == 16


def test_an_index_is_named_in_the_header_or_for_all() -> None:
    error = refused("{}", index="")
    assert error.violations[0].field == "index"
    assert "?index=cities" in error.message


@pytest.mark.parametrize(
    ("batch", "cause"),
    [
        (Batch(), "exactly one of body and requests"),
        (Batch(b"{}\n{}", questions=[lambda: Question("cities")]), "exactly one of body and requests"),
        (Batch(b""), "is empty"),
        (Batch(b"\n \r\n\n"), "is empty"),
        (Batch(b"{}"), "--data-binary only"),
        (Batch(b"{}\n{}\n{}"), "is of 3 lines, but each question takes two"),
    ],
    ids=["neither", "both", "empty", "blank", "one line", "three lines"],
)
def test_what_is_no_pairs_of_lines_is_refused_as_a_whole(batch: Batch, cause: str) -> None:
    with pytest.raises(InvalidFieldError, match=cause):
        batch.split()


def test_a_pretty_printed_body_is_refused_with_what_to_do() -> None:
    body = b"{}\n" + json.dumps({"query": {"match_all": {}}}, indent=2).encode()
    with pytest.raises(InvalidFieldError, match="without line breaks"):
        Batch(body + b"\n{}").split()


@pytest.mark.parametrize("count", [MAX_QUESTIONS + 1, 10 * MAX_QUESTIONS, MAX_QUESTIONS + 0.5])
def test_more_questions_than_a_call_takes_are_refused(count: float) -> None:
    assert len(Batch(b"{}\n{}\n" * MAX_QUESTIONS, "cities").split()) == MAX_QUESTIONS
    with pytest.raises(QueryLimitError) as caught:
        Batch(b"{}\n" * int(2 * count)).split()
    assert caught.value.metadata == {"limit": "batch_questions", "allowed": "100"}


def test_a_body_beyond_its_limit_is_refused_with_the_limit() -> None:
    Batch(b"{}\n" + b"x" * (MAX_BATCH - 3)).split()
    with pytest.raises(QueryLimitError, match="Send it in several parts") as caught:
        Batch(b"{}\n" + b"x" * (MAX_BATCH - 2)).split()
    assert caught.value.metadata == {"limit": "batch_bytes", "allowed": "983040"}


def test_questions_that_are_messages_are_left_as_they_are() -> None:
    question = Question("cities", body=SEARCH)
    [reader] = Batch(questions=[lambda: question]).split()
    assert reader() is question


def wrong(*fields: str, **more: Any) -> QueryInvalidError:
    return QueryInvalidError("is wrong", violations=[FieldViolation(field, "is wrong") for field in fields], **more)


def test_a_refusal_names_each_wrong_question_before_the_rest_of_what_is_wrong() -> None:
    error = batch_refusal({4: wrong("size", "from"), 2: wrong("query.match")}, 9)
    assert [one.field for one in error.violations] == [
        "requests[2].query.match",
        "requests[4].size",
        "requests[4].from",
    ]
    assert error.message == "2 of 9 questions are refused, so none was stored. requests[2]: is wrong"
    assert error.metadata == {"refused": "2,4"}


def test_a_refusal_is_of_the_kind_of_its_first_and_each_violation_says_its_own() -> None:
    error = batch_refusal({0: QueryLimitError("too large", metadata={"limit": "max_size"}), 1: wrong("size")}, 2)
    assert type(error) is QueryLimitError
    assert error.metadata == {"limit": "max_size", "refused": "0-1"}
    assert [one.reason for one in error.violations] == [QueryLimitError.reason, QueryInvalidError.reason]
    assert error.violations[0].field == "requests[0].body"


@pytest.mark.parametrize("positions", [range(100), range(0, 100, 2), [0, 1, 2, 50, 98, 99]])
def test_all_wrong_positions_are_told_within_bounds(positions: list[int]) -> None:
    refused_ones: dict[int, AirlockError] = {position: wrong(*["size"] * 16) for position in positions}
    error = batch_refusal(refused_ones, 100)
    assert len(error.violations) == MAX_VIOLATIONS
    assert len(error.metadata["refused"]) < 256
    told = set()
    for run in error.metadata["refused"].split(","):
        low, _, high = run.partition("-")
        told |= set(range(int(low), int(high or low) + 1))
    assert told == set(positions)
