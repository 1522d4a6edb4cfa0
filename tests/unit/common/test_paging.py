"""A page token continues the list and the filters that gave it out, and nothing else."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from airlock.common.v1 import network_pb2
from airlock.ops.v1.batches_pb2 import ListExportBatchesRequest, ListImportBatchesRequest

from common.errors import PageTokenInvalidError
from common.paging import next_token, page_size, position_of, time_position, time_token

ASKED = ListExportBatchesRequest(kind=network_pb2.BUNDLE_KIND_USERS, page_size=10)


def again(token: str, **changes: object) -> ListExportBatchesRequest:
    request = ListExportBatchesRequest(kind=network_pb2.BUNDLE_KIND_USERS, page_size=10)
    request.page_token = token
    for name, value in changes.items():
        setattr(request, name, value)
    return request


def test_the_first_page_has_no_position() -> None:
    assert position_of(ASKED, int, str) is None
    assert time_position(ASKED) is None


def test_a_token_gives_its_position_back() -> None:
    assert position_of(again(next_token(ASKED, 7, "sara")), int, str) == (7, "sara")


def test_a_time_keeps_its_microseconds() -> None:
    at, row = datetime(2026, 11, 23, 19, 40, 1, 123457, UTC), uuid4()
    assert time_position(again(time_token(ASKED, at, row))) == (at, row)


@pytest.mark.parametrize("position", ["a\0b", 2**63])
def test_a_position_that_no_database_could_hold_is_no_position(position: str | int) -> None:
    with pytest.raises(PageTokenInvalidError):
        position_of(again(next_token(ASKED, position)), type(position))


def test_another_page_size_may_continue() -> None:
    assert position_of(again(next_token(ASKED, 7), page_size=99), int) == (7,)


def test_another_filter_may_not() -> None:
    with pytest.raises(PageTokenInvalidError):
        position_of(again(next_token(ASKED, 7), kind=network_pb2.BUNDLE_KIND_REQUESTS), int)


def test_another_list_may_not() -> None:
    other = ListImportBatchesRequest(kind=network_pb2.BUNDLE_KIND_USERS, page_size=10)
    other.page_token = next_token(ASKED, 7)
    with pytest.raises(PageTokenInvalidError):
        position_of(other, int)


@pytest.mark.parametrize(
    "token",
    ["x", "é", "AAAA", "A" * 5000, base64.urlsafe_b64encode(b"[1").decode(), base64.urlsafe_b64encode(b"{}").decode()],
)
def test_what_was_never_given_out_is_refused(token: str) -> None:
    with pytest.raises(PageTokenInvalidError):
        position_of(again(token), int)


def test_a_position_of_other_types_is_refused() -> None:
    with pytest.raises(PageTokenInvalidError):
        position_of(again(next_token(ASKED, "seven")), int)
    with pytest.raises(PageTokenInvalidError):
        time_position(again(next_token(ASKED, 2**62, str(uuid4()))))
    with pytest.raises(PageTokenInvalidError):
        time_position(again(next_token(ASKED, 1, "no uuid")))


def test_the_page_size_has_a_default_and_a_bound() -> None:
    assert page_size(ListExportBatchesRequest()) == 50
    assert page_size(ListExportBatchesRequest(page_size=7)) == 7
    assert page_size(ListExportBatchesRequest(page_size=10_000)) == 200
