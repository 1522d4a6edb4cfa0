"""Several questions in one body: NDJSON in the shape of Elasticsearch's `_msearch`, with our options in its headers.

The lines are told apart without reading them, so that whoever sent them pays for what is in them first.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NoReturn

from google.protobuf.timestamp_pb2 import Timestamp

from common.errors import FieldViolation, InvalidFieldError, QueryLimitError
from common.search import strict_json
from common.search.scalars import kind_of
from common.search.violations import Violations, did_you_mean
from request_svc.domain.question import Question
from request_svc.domain.request import HIGHEST_PRIORITY, LOWEST_PRIORITY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from common.search.strict_json import Json

MAX_QUESTIONS: Final = 100
MAX_BATCH: Final = 960 * 1024
"""Bytes of a body with several questions: below what Envoy and gRPC let through, which is 1 MiB."""
MAX_HEADER: Final = 4096
"""Bytes of a header."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What a caller sends: lines of a body with the index of those that name none, or questions, still to be read."""

    body: bytes | None = None
    index: str = ""
    questions: Sequence[Callable[[], Question]] = ()

    def split(self) -> Sequence[Callable[[], Question]]:
        """A reader for each question, in their order. A reader raises an AirlockError for a question of no form.

        Raises InvalidFieldError or QueryLimitError where there are not 1 to 100 questions, in pairs of lines.
        """
        if (self.body is None) == (not self.questions):
            _refuse("body", "exactly one of body and requests must be set; over REST the lines are the HTTP body")
        if self.body is None:
            return self.questions
        pairs = _pairs(self.body)
        return [partial(_question, header, search, self.index) for header, search in pairs]


def _pairs(body: bytes) -> list[tuple[bytes, bytes]]:
    if len(body) > MAX_BATCH:
        raise QueryLimitError(
            f"The body has {len(body)} bytes; at most {MAX_BATCH} are taken at a time. Send it in several parts.",
            metadata={"limit": "batch_bytes", "allowed": str(MAX_BATCH)},
        )
    # The line break behind the last line may be left out, and more of them say nothing.
    text = body.rstrip(b"\r\n \t")
    if not text:
        _refuse("body", "is empty; send a header line, such as {}, and a line with a search body")
    # One more than there may be is enough to know.
    lines = [line.removesuffix(b"\r") for line in text.split(b"\n", 2 * MAX_QUESTIONS + 1)]
    if len(lines) > 2 * MAX_QUESTIONS:
        raise QueryLimitError(
            f"The body has more than {MAX_QUESTIONS} questions; send it in several parts.",
            metadata={"limit": "batch_questions", "allowed": str(MAX_QUESTIONS)},
        )
    if len(lines) % 2:
        # What curl makes of it with -d.
        hint = "; curl keeps line breaks with --data-binary only" if len(lines) == 1 else ""
        _refuse(
            "body",
            f"is of {len(lines)} line{'s' if len(lines) > 1 else ''}, but each question takes two: a header such as "
            f'{{"index": "cities"}}, and its search body, each a JSON object without line breaks{hint}',
        )
    return list(zip(lines[::2], lines[1::2], strict=True))


def _question(header: bytes, body: bytes, index: str) -> Question:
    """The question of two lines; raises InvalidFieldError, whose violations name the options by their keys."""
    values: dict[str, Any] = {"index": index}
    if header.strip():
        values |= _read_header(header)
    if not values["index"]:
        _refuse("index", 'is missing: name it in the header, as {"index": "cities"}, or for all as ?index=cities')
    return Question(body=body, **values)


def _read_header(line: bytes) -> Mapping[str, Any]:
    violations = Violations()
    found = strict_json.parse(line, MAX_HEADER, violations)
    if not violations.found and not isinstance(found, dict):
        violations.add((), f"must be an object, not {kind_of(found)}")
    _refuse_any(violations)
    assert isinstance(found, dict), "checked before"
    values = {}
    for key, value in found.items():
        # Each name is compared with the known ones, and there may be hundreds.
        if violations.full:
            break
        try:
            values[key] = _reader(key)(value)
        except _WrongOptionError as error:
            violations.add((key,), str(error))
    _refuse_any(violations)
    return values


def _reader(key: str) -> Callable[[Json], Any]:
    if key not in _OPTIONS:
        raise _WrongOptionError(f"is no option of a question; {did_you_mean(key, _OPTIONS)}")
    return _OPTIONS[key]


class _WrongOptionError(Exception):
    """An option's value is not what it must be. The text continues a sentence that its key begins."""


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise _WrongOptionError(f"must be a string, not {kind_of(value)}")
    return value


def _index(value: Json) -> str:
    if isinstance(value, list):
        raise _WrongOptionError("must be the name of one index in a string; ask each index by itself")
    return _text(value)


def _priority(value: Json) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not LOWEST_PRIORITY <= value <= HIGHEST_PRIORITY:
        raise _WrongOptionError(f"must be a whole number from {LOWEST_PRIORITY} to {HIGHEST_PRIORITY}")
    return value


def _time(value: Json) -> datetime:
    message = Timestamp()
    try:
        message.FromJsonString(_text(value))
        at: datetime = message.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise _WrongOptionError("must be a time such as 2026-03-01T08:00:00Z") from None
    return at


def _switch(value: Json) -> bool:
    if not isinstance(value, bool):
        raise _WrongOptionError(f"must be true or false, not {kind_of(value)}")
    return value


_OPTIONS: Final[Mapping[str, Callable[[Json], Any]]] = {
    "index": _index,
    "priority": _priority,
    "idempotency_key": _text,
    "not_after": _time,
    "accept_partial": _switch,
}
"""What may stand in a header, by the names that the query string of a single question has."""


def _refuse_any(violations: Violations) -> None:
    wrong = [FieldViolation(_in_header(one.field), one.description) for one in violations.found]
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise InvalidFieldError(f"{wrong[0].field} {wrong[0].description}{more}", violations=wrong)


def _in_header(path: str) -> str:
    return "header" if path == "body" else path


def _refuse(field: str, description: str) -> NoReturn:
    raise InvalidFieldError(f"{field} {description}", violations=[FieldViolation(field, description)])
