"""Every refusal has one status, and its rich details are what a program needs."""

from __future__ import annotations

import errno

import grpc
import psycopg
import pytest
import redis.exceptions
import sqlalchemy.exc
from airlock.common.v1 import error_reason_pb2 as reasons
from google.rpc import error_details_pb2

import common.errors
from common.errors import AirlockError, FieldViolation, InvalidFieldError, RateLimitedError
from common.rpc.errors import STATUS_CODES, as_airlock_error, error_metadata, reason_name, rich_status
from transfer.errors import NoSpaceError, SpoolError, TruncatedError

ALL_REASONS = [reason for reason in reasons.ErrorReason.values() if reason != reasons.ERROR_REASON_UNSPECIFIED]
ALL_ERRORS = [
    error for error in vars(common.errors).values() if isinstance(error, type) and issubclass(error, AirlockError)
]


def test_every_reason_has_a_status_and_no_other_does() -> None:
    assert set(STATUS_CODES) == set(ALL_REASONS)


def test_every_reason_has_exactly_one_error() -> None:
    assert sorted(error.reason for error in ALL_ERRORS) == sorted(ALL_REASONS)


@pytest.mark.parametrize("reason", ALL_REASONS)
def test_the_status_is_the_one_that_the_proto_documents(reason: reasons.ErrorReason.ValueType) -> None:
    assert STATUS_CODES[reason] is not grpc.StatusCode.OK
    name = reason_name(reason)
    assert name.isupper()
    assert not name.startswith("ERROR_REASON")


def test_a_refusal_carries_all_its_details() -> None:
    error = InvalidFieldError(
        "wrong", metadata={"limit": "3"}, violations=[FieldViolation("query.size", "too big")], retry_after_seconds=1.5
    )
    status = rich_status(error, "the-id")
    assert status.code == 3
    details = {any_.TypeName(): any_ for any_ in status.details}
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    retry, request = error_details_pb2.RetryInfo(), error_details_pb2.RequestInfo()
    details["google.rpc.ErrorInfo"].Unpack(info)
    details["google.rpc.BadRequest"].Unpack(bad)
    details["google.rpc.RetryInfo"].Unpack(retry)
    details["google.rpc.RequestInfo"].Unpack(request)
    assert (info.reason, info.domain, dict(info.metadata)) == ("INVALID_FIELD", "airlock", {"limit": "3"})
    assert (bad.field_violations[0].field, bad.field_violations[0].description) == ("query.size", "too big")
    assert retry.retry_delay.ToMilliseconds() == 1500
    assert request.request_id == "the-id"


def test_retry_after_is_whole_seconds_and_never_too_early() -> None:
    assert ("retry-after", "3") in error_metadata(RateLimitedError("slow", retry_after_seconds=2.1), "id")
    assert ("retry-after", "1") in error_metadata(RateLimitedError("slow", retry_after_seconds=0.0), "id")
    assert not [pair for pair in error_metadata(AirlockError("x"), "id") if pair[0] == "retry-after"]


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (sqlalchemy.exc.OperationalError("SELECT 1", None, Exception("secret host")), "postgresql"),
        (sqlalchemy.exc.InterfaceError("SELECT 1", None, Exception("secret host")), "postgresql"),
        (sqlalchemy.exc.TimeoutError("secret host"), "postgresql"),
        (psycopg.OperationalError("secret host"), "postgresql"),
        (redis.exceptions.ConnectionError("secret host"), "redis"),
        (redis.exceptions.TimeoutError("secret host"), "redis"),
        (OSError(errno.ENOSPC, "secret host"), "disk"),
        (NoSpaceError("no room"), "disk"),
        (SpoolError("gone"), "spool"),
    ],
)
def test_a_part_that_is_away_is_unavailable_by_name_and_without_its_text(error: Exception, part: str) -> None:
    refusal = as_airlock_error(error)
    assert STATUS_CODES[refusal.reason] is grpc.StatusCode.UNAVAILABLE
    assert refusal.metadata["part"] == part
    assert refusal.retry_after_seconds is not None
    assert "secret" not in refusal.message


def test_a_refused_bundle_names_its_defect() -> None:
    refusal = as_airlock_error(TruncatedError("cut"))
    assert refusal.reason == reasons.ERROR_REASON_BUNDLE_REFUSED
    assert refusal.metadata == {"defect": "truncated"}


@pytest.mark.parametrize("error", [ValueError("password=hunter2"), KeyError("x"), OSError(errno.EIO, "hunter2")])
def test_an_unexpected_error_shows_nothing_of_itself(error: Exception) -> None:
    refusal = as_airlock_error(error)
    assert refusal.reason == reasons.ERROR_REASON_INTERNAL
    assert "hunter2" not in refusal.message
