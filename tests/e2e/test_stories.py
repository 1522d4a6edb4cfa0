"""Stories across the gap: what happens to questions and answers when things go well, and when people ask too much."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import grpc
import pytest

if TYPE_CHECKING:
    from tests.two_networks import TwoNetworks


async def test_a_question_asked_here_is_answered_there(networks: TwoNetworks) -> None:
    sara = await networks.bring_user()
    asked = await sara.submit()
    assert await sara.status(asked) == "pending"
    await networks.request.export("requests")
    assert await sara.status(asked) == "exported"
    networks.carry(networks.request, networks.response)
    await networks.response.import_()
    assert await networks.execute() == {"completed": 1}
    await networks.send_answers()
    assert await sara.status(asked) == "completed"
    found = json.loads(await sara.answer(asked))
    assert [hit["_source"]["name"] for hit in found["hits"]["hits"]] == ["Tehran"]


async def test_a_user_has_the_same_id_and_password_in_both_networks(networks: TwoNetworks) -> None:
    await networks.bring_user("sara")
    for side in (networks.request, networks.response):
        assert await side.sign_in("sara")


async def test_nobody_can_sign_in_before_the_first_users_have_arrived(networks: TwoNetworks) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await networks.request.sign_in("admin")
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_nothing_is_sent_before_the_first_bundle_has_arrived(networks: TwoNetworks) -> None:
    assert (await networks.request.export("requests")).waiting_for_first_bundle


async def test_urgent_questions_are_answered_first(networks: TwoNetworks) -> None:
    await networks.bring_user("sara", priority=9)
    sara = await networks.bring_user("reza", priority=9)
    order = [(await sara.submit(priority=priority), priority) for priority in (1, 9, 5)]
    await networks.send_requests()
    await networks.execute()
    await networks.send_answers()
    for request_id, priority in order:
        assert (await sara.request(request_id)).priority == priority
        assert await sara.status(request_id) == "completed"


async def test_an_index_that_only_the_other_side_forbids_comes_back_refused(networks: TwoNetworks) -> None:
    sara = await networks.bring_user()
    asked = await sara.submit(index="personnel")
    await networks.settle()
    request = await sara.request(asked)
    assert await sara.status(asked) == "failed"
    assert "personnel" in request.error_message


async def test_a_user_who_was_shut_out_meanwhile_is_refused_there(networks: TwoNetworks) -> None:
    sara = await networks.bring_user()
    asked = await sara.submit()
    await networks.shut_out("sara")
    await networks.settle()
    find = "SELECT failure_reason FROM incoming_requests WHERE original_request_id = :id"
    assert await networks.response.value(find, id=asked) == "refused"
    assert await sara.status(asked) == "failed"


async def test_an_answer_that_comes_after_cancelling_is_dropped(networks: TwoNetworks) -> None:
    sara = await networks.bring_user()
    asked = await sara.submit()
    await networks.send_requests()
    await sara.cancel(asked)
    await networks.execute()
    report = await networks.send_answers()
    assert await sara.status(asked) == "cancelled"
    assert [batch.status for batch in report.batches] == ["completed"]


async def test_a_cancelled_question_that_has_left_is_not_searched_once_the_other_side_knows(
    networks: TwoNetworks,
) -> None:
    sara = await networks.bring_user()
    asked = await sara.submit()
    await networks.request.export("requests")
    await sara.cancel(asked)
    await networks.request.export("requests")
    networks.carry(networks.request, networks.response)
    await networks.response.import_()
    assert await networks.execute() == {}
    assert await sara.status(asked) == "cancelled"


async def test_more_than_one_bundle_of_questions_arrives_whole(networks: TwoNetworks) -> None:
    sara = await networks.bring_user()
    await asyncio.gather(*(sara.submit() for _ in range(501)))
    report = await networks.request.export("requests")
    assert [batch.record_count for batch in report.batches] == [500, 1]
    await networks.settle()
    assert await networks.request.value("SELECT count(*) FROM requests WHERE status = 'completed'") == 501
