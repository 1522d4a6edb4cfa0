"""A refusal arrives, however much there is to say: what does not fit into a call's trailers is cut."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from common.errors import FieldViolation, InvalidFieldError
from common.ratelimit.headers import rate_limit_headers
from common.ratelimit.windows import DAY, HOUR, MINUTE, Decision, Use, Window
from common.rpc.errors import error_metadata
from common.rpc.trailers import MESSAGE_BYTES, cut, fitting

TRAILERS_LIMIT = 8192
LONG = "ب" * 100_000
HUGE = tuple(Use(Window(seconds, 10**9, 1000), 10**10, 86_400.0) for seconds in (DAY, HOUR, MINUTE))


def trailers_bytes(error: InvalidFieldError) -> int:
    sent = fitting(error)
    headers = rate_limit_headers(Decision(accepted=False, cost=1, uses=HUGE, retry_after=86_400.0))
    pairs = (*error_metadata(sent, "0" * 36), *headers)
    # HTTP/2 counts 32 bytes beside name and value.
    details = sum(
        32 + len(name) + (len(value) * 4 // 3 if isinstance(value, bytes) else len(value)) for name, value in pairs
    )
    return details + len(quote(sent.message))


@pytest.mark.parametrize("count", [1, 16, 1000])
def test_the_trailers_of_a_refusal_stay_below_what_grpc_delivers(count: int) -> None:
    violations = [FieldViolation(LONG, LONG)] * count
    assert trailers_bytes(InvalidFieldError(LONG, metadata={"limit": LONG}, violations=violations)) < TRAILERS_LIMIT


def test_what_fits_is_not_touched() -> None:
    error = InvalidFieldError("size: too big", metadata={"a": "b"}, violations=[FieldViolation("size", "too big")])
    sent = fitting(error)
    assert (sent.message, sent.metadata, sent.violations) == (error.message, error.metadata, error.violations)
    assert type(sent) is InvalidFieldError


def test_a_cut_text_says_so_and_ends_with_a_whole_letter() -> None:
    short = cut(LONG, MESSAGE_BYTES)
    assert short.endswith("ب…")
    assert len(short.encode()) <= MESSAGE_BYTES
