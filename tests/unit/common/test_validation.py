"""What no call may hold, whatever its message says of its fields."""

from __future__ import annotations

import pytest
from airlock.auth.v1.auth_service_pb2 import LoginRequest
from airlock.request.v1.request_service_pb2 import ListRequestsRequest, SubmitRequestRequest
from airlock.response.v1.settings_service_pb2 import SetSettingRequest
from airlock.search.v1.query_pb2 import MatchQuery, Query
from airlock.search.v1.scalar_pb2 import Scalar
from airlock.search.v1.search_pb2 import Search
from google.api.httpbody_pb2 import HttpBody

from common.errors import InvalidFieldError
from common.rpc.interceptors.validation import ValidationInterceptor, field_with_zero


def asking(field: str, text: str) -> SubmitRequestRequest:
    clause = MatchQuery(query=Scalar(string_value=text))
    return SubmitRequestRequest(search=Search(query=Query(match={field: clause})))


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (LoginRequest(username="a\0b", password="x"), "username"),
        (ListRequestsRequest(index="a\0"), "index"),
        (
            SubmitRequestRequest(search=Search(query=Query(match={"a\0": MatchQuery(query=Scalar(string_value="x"))}))),
            "match",
        ),
        (
            SubmitRequestRequest(search=Search(query=Query(match={"a": MatchQuery(query=Scalar(string_value="\0"))}))),
            "string_value",
        ),
    ],
)
def test_a_zero_character_in_any_text_is_refused_with_the_fields_name(message: object, field: str) -> None:
    with pytest.raises(InvalidFieldError, match=f"{field} holds a zero character"):
        ValidationInterceptor().incoming("/airlock.any.v1.Service/Method", message)  # type: ignore[arg-type]


def test_bytes_may_hold_anything() -> None:
    assert field_with_zero(SubmitRequestRequest(index="a", body=HttpBody(data=b"\0"))) is None


def test_a_choice_that_was_not_made_is_refused_with_what_there_is_to_choose_from() -> None:
    with pytest.raises(InvalidFieldError, match="value: give exactly one of bool_value, int_value"):
        ValidationInterceptor().incoming("/airlock.any.v1.Service/Method", SetSettingRequest(key="query.max_size"))
