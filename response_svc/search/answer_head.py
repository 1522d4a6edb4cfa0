"""Reads what is said before the hits of an Elasticsearch answer, without parsing the hits or changing a byte."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import orjson

_HEAD_BYTES: Final = 256 * 1024
_COUNT_DIGITS: Final = 19
_END_BYTES: Final = 64
_DECODER: Final = json.JSONDecoder()
_BLANK: Final = re.compile(r"[ \t\r\n]*")


class NotAnAnswerError(Exception):
    """The bytes are no search result."""


@dataclass(frozen=True, slots=True)
class AnswerHead:
    """What an answer says about itself."""

    took_ms: int
    timed_out: bool
    shards_failed: int
    hit_count: int

    @property
    def is_partial(self) -> bool:
        """Whether some of the index did not answer."""
        return self.timed_out or self.shards_failed > 0


def read_head(body: bytes) -> AnswerHead:
    """The head of an answer; raises NotAnAnswerError. A short answer is checked as a whole, a long one at its ends."""
    # Only the end is looked at, since a copy without what stands behind it could be as large as the answer.
    if not body[-_END_BYTES:].rstrip().endswith(b"}"):
        raise NotAnAnswerError("it does not end as an object does")
    if len(body) <= _HEAD_BYTES:
        fields = read_object(body)
        hits = fields.get("hits")
        if isinstance(hits, dict):
            fields = fields | {"hits": {"total": hits.get("total")}}
    else:
        fields = _before_hits(body[:_HEAD_BYTES].decode("utf-8", "ignore"))
    return _head(fields)


def read_object(body: bytes) -> dict[str, Any]:
    """The object that a short answer is; raises NotAnAnswerError."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        value = _read_odd(body, error)
    if not isinstance(value, dict):
        raise NotAnAnswerError("it is not an object")
    return value


def _read_odd(body: bytes, first_error: ValueError) -> Any:  # noqa: ANN401 - any JSON value.
    """What holds numbers beyond a double or half a surrogate pair, which is JSON all the same and passes unchanged."""
    try:
        return json.loads(body.decode(), parse_int=_whole, parse_float=str, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise NotAnAnswerError(f"it is not JSON: {first_error}") from None


def _whole(digits: str) -> int | str:
    """The number if it could be a count. Python refuses to read one of thousands of digits."""
    return int(digits) if len(digits) <= _COUNT_DIGITS else digits


def _no_number(name: str) -> NoReturn:
    msg = f"{name} is no number in JSON"
    raise ValueError(msg)


def _head(fields: dict[str, Any]) -> AnswerHead:
    shards, hits = fields.get("_shards"), fields.get("hits")
    took, timed_out = fields.get("took"), fields.get("timed_out")
    if not (isinstance(shards, dict) and isinstance(hits, dict)):
        raise NotAnAnswerError("it lacks _shards or hits")
    if not (isinstance(took, int) and isinstance(timed_out, bool)):
        raise NotAnAnswerError("it lacks took or timed_out")
    failed, total = shards.get("failed"), hits.get("total")
    value = total.get("value") if isinstance(total, dict) else 0
    if not isinstance(failed, int) or not isinstance(value, int):
        raise NotAnAnswerError("its counts are no numbers")
    return AnswerHead(took_ms=took, timed_out=timed_out, shards_failed=failed, hit_count=value)


def _before_hits(text: str) -> dict[str, Any]:
    """The fields up to `hits`, and of that only what stands before the list."""
    fields: dict[str, Any] = {}
    position = _after(text, 0, "{")
    while True:
        key, position = _key(text, position)
        if key == "hits":
            fields["hits"] = _before_list(text, position)
            return fields
        if key in fields:
            raise NotAnAnswerError(f"it says {key} twice")
        fields[key], position = _value(text, position)
        position = _after(text, position, ",")


def _before_list(text: str, position: int) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    position = _after(text, position, "{")
    while True:
        key, position = _key(text, position)
        if key == "hits":
            return fields
        fields[key], position = _value(text, position)
        position = _after(text, position, ",")


def _key(text: str, position: int) -> tuple[str, int]:
    key, position = _value(text, position)
    if not isinstance(key, str):
        raise NotAnAnswerError("a key is no string")
    return key, _after(text, position, ":")


def _value(text: str, position: int) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, _skip_blank(text, position))
    except (json.JSONDecodeError, RecursionError) as error:
        raise NotAnAnswerError(f"it is not JSON where the hits should begin: {error}") from None


def _after(text: str, position: int, mark: str) -> int:
    position = _skip_blank(text, position)
    if not text.startswith(mark, position):
        raise NotAnAnswerError(f"there is no {mark} at character {position}")
    return position + 1


def _skip_blank(text: str, position: int) -> int:
    blank = _BLANK.match(text, position)
    return blank.end() if blank is not None else position
