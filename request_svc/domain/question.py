"""What a caller asks, before it is checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from common.errors import FieldViolation, InvalidFieldError
from request_svc.domain.request import MAX_IDEMPOTENCY_KEY

if TYPE_CHECKING:
    from datetime import datetime

    from airlock.search.v1.search_pb2 import Search

MAX_QUESTION: Final = 256 * 1024
"""Bytes of a body as submitted, and of its normal form."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its options. Exactly one of `body` (JSON) and `search` (the typed message) must be set."""

    index: str
    body: bytes | None = None
    search: Search | None = None
    priority: int | None = None
    idempotency_key: str = ""
    not_after: datetime | None = None
    accept_partial: bool = False


def check_options(question: Question, now: datetime) -> None:
    """Raises InvalidFieldError for options that break their rules, as no rule of a proto can say them."""
    if question.not_after is not None and question.not_after <= now:
        _refuse("not_after", "is in the past; leave it out or name a later time")
    key = question.idempotency_key
    if len(key.encode()) > MAX_IDEMPOTENCY_KEY or not key.isprintable():
        _refuse("idempotency_key", f"must be printable and at most {MAX_IDEMPOTENCY_KEY} bytes long")
    if (question.body is None) == (question.search is None):
        _refuse("body", "exactly one of body and search must be set; over REST the search body is the HTTP body")


def _refuse(field: str, description: str) -> None:
    raise InvalidFieldError(f"{field}: {description}.", violations=[FieldViolation(field, description)])
