"""The gRPC services of this network, called as the server calls them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

import pytest
from airlock.common.v1.failure_reason_pb2 import FAILURE_REASON_REFUSED
from airlock.response.v1 import processing_service_pb2 as processing
from airlock.response.v1 import user_service_pb2 as users

from common.errors import NotFoundError, PageTokenInvalidError
from response_svc.adapters.incoming_requests import PostgresIncomingRequests
from response_svc.handlers.processing import ProcessingHandler
from response_svc.handlers.users import UserHandler
from response_svc.usecases.execute_next import execute_next
from tests.integration.response_svc.world import START, Arrivals, cancellation, id_of, make_user, micros, question

if TYPE_CHECKING:
    from common.auth.context import AuthContext
    from common.database.transaction import Database
    from response_svc.usecases.change_users import UserContext
    from response_svc.usecases.execute_next import ExecutionContext

CALL = cast("Any", None)


@pytest.fixture
def user_handler(user_context: UserContext, auth: AuthContext) -> UserHandler:
    return UserHandler(user_context, auth)


@pytest.fixture
def processing_handler(database: Database) -> ProcessingHandler:
    return ProcessingHandler(database, PostgresIncomingRequests(), cast("Any", None))


async def test_a_user_is_made_changed_and_shut_out(user_handler: UserHandler) -> None:
    made = await user_handler.CreateUser(
        users.CreateUserRequest(
            username="sara", email="sara@example.org", password="a good password", role="operator", priority=8
        ),
        CALL,
    )
    assert (made.user.role, made.user.priority, made.user.profile_type, made.user.is_active) == (
        "operator",
        8,
        "basic",
        True,
    )
    changed = await user_handler.UpdateUser(
        users.UpdateUserRequest(id=made.user.id, full_name="", email="s@example.org", role="user"), CALL
    )
    assert (changed.user.email, changed.user.role, changed.user.priority) == ("s@example.org", "user", 8)
    await user_handler.SetPassword(users.SetPasswordRequest(id=made.user.id, password="another password"), CALL)
    gone = await user_handler.DeactivateUser(users.DeactivateUserRequest(id=made.user.id), CALL)
    assert (gone.user.is_active, gone.user.revision) == (False, 4)
    assert (await user_handler.GetUser(users.GetUserRequest(id=made.user.id), CALL)).user == gone.user


async def test_no_answer_holds_a_password(user_handler: UserHandler) -> None:
    assert not [name for name in users.User.DESCRIPTOR.fields_by_name if "password" in name]


async def test_users_are_paged(user_handler: UserHandler, user_context: UserContext) -> None:
    for name in ("a", "b", "c"):
        await make_user(user_context, name)
    first = await user_handler.ListUsers(users.ListUsersRequest(page_size=2), CALL)
    assert [user.username for user in first.users] == ["a", "b"]
    rest = await user_handler.ListUsers(users.ListUsersRequest(page_size=2, page_token=first.next_page_token), CALL)
    assert ([user.username for user in rest.users], rest.next_page_token) == (["c"], "")
    with pytest.raises(PageTokenInvalidError):
        await user_handler.ListUsers(
            users.ListUsersRequest(username_prefix="b", page_token=first.next_page_token), CALL
        )


async def test_an_incoming_request_is_found_by_the_id_it_has_on_the_other_network(
    processing_handler: ProcessingHandler, arrivals: Arrivals, execution: ExecutionContext, user_context: UserContext
) -> None:
    user = await make_user(user_context)
    asked = question(user, index="salaries", not_after_micros=micros(START) * 2)
    await arrivals.arrive(asked)
    await execute_next(execution)
    reply = await processing_handler.GetIncomingRequest(
        processing.GetIncomingRequestRequest(id=str(id_of(asked))), CALL
    )
    found = reply.incoming_request
    assert (found.id, found.user_id, found.index, found.query_type) == (
        str(id_of(asked)),
        str(user.id),
        "salaries",
        "match",
    )
    assert (found.status, found.failure_reason) == (processing.INCOMING_STATUS_FAILED, FAILURE_REASON_REFUSED)
    assert found.HasField("completed_at")
    assert not found.HasField("answer_exported_at")
    assert found.import_batch_id
    with pytest.raises(NotFoundError):
        await processing_handler.GetIncomingRequest(processing.GetIncomingRequestRequest(id=str(uuid4())), CALL)


async def test_incoming_requests_are_filtered_and_paged_the_newest_first(
    processing_handler: ProcessingHandler, arrivals: Arrivals, user_context: UserContext
) -> None:
    sara, omid = await make_user(user_context, "sara"), await make_user(user_context, "omid")
    first, second, third = question(sara), question(sara), question(omid)
    for asked in (first, second, third):
        await arrivals.arrive(asked)
    await arrivals.arrive(cancellation(second))
    call = processing.ListIncomingRequestsRequest
    page = await processing_handler.ListIncomingRequests(call(page_size=2), CALL)
    assert [one.id for one in page.incoming_requests] == [str(id_of(third)), str(id_of(second))]
    rest = await processing_handler.ListIncomingRequests(call(page_size=2, page_token=page.next_page_token), CALL)
    assert [one.id for one in rest.incoming_requests] == [str(id_of(first))]
    saras = await processing_handler.ListIncomingRequests(
        call(user_id=str(sara.id), statuses=[processing.INCOMING_STATUS_PENDING]), CALL
    )
    assert [one.id for one in saras.incoming_requests] == [str(id_of(first))]
