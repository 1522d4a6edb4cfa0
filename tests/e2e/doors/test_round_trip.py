"""Whole rounds with the real programs: processes, Envoy, `transfer take` and `deliver`, and the engine's own answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from sandbox.asking import COMPLETED
from sandbox.checking import BuiltInEngine, same_answer
from sandbox.crossing import carry
from sandbox.demo_queries import Question, questions

if TYPE_CHECKING:
    from tests.e2e.doors.running import Running


@pytest.fixture(scope="module")
def asked(running: Running) -> list[tuple[Question, str]]:
    """Every tenth question of the demo, submitted in each of the three ways, and answered."""
    made = []
    for number, question in enumerate(questions()[::10]):
        if number % 3 == 0:
            request_id = running.analyst.submit_over_rest(question, 5)
        else:
            request_id = running.analyst.submit_over_grpc(question, 5, typed=number % 3 == 1)
        made.append((question, request_id))
    running.settle()
    return made


def test_every_answer_is_the_engines_own(running: Running, asked: list[tuple[Question, str]]) -> None:
    engine = BuiltInEngine(running.pair.search_folder)
    try:
        for question, request_id in asked:
            outcome = running.analyst.outcome_over_rest(request_id)
            assert outcome.status == COMPLETED, outcome.reason
            assert same_answer(outcome.body, engine.answer(question)), question.body.decode()
    finally:
        engine.close()


def test_rest_and_grpc_read_the_same_bytes(running: Running, asked: list[tuple[Question, str]]) -> None:
    for _, request_id in asked[:3]:
        assert running.analyst.outcome_over_rest(request_id) == running.analyst.outcome_over_grpc(request_id)


def test_a_completed_request_shows_its_journey(running: Running, asked: list[tuple[Question, str]]) -> None:
    _, request_id = asked[0]
    found = running.analyst.get(request_id)
    steps = [event["step"].removeprefix("TIMELINE_STEP_") for event in found["timeline"]]
    assert steps == ["CREATED", "SEALED", "ACKNOWLEDGED", "EXECUTED", "ANSWER_SEALED", "RECEIVED"]
    assert found["response"]["data"]["hits"] == json.loads(running.analyst.outcome_over_rest(request_id).body)["hits"]


def test_carrying_everything_again_changes_nothing(running: Running, asked: list[tuple[Question, str]]) -> None:
    before = running.analyst.outcome_over_rest(asked[0][1])
    carry(running.asking, running.searching, running.pair.stick)
    carry(running.searching, running.asking, running.pair.stick)
    for operator in (running.operator, running.admin):
        operator.call("POST", "/api/v1/admin/imports:scan", json={})
    assert running.analyst.outcome_over_rest(asked[0][1]) == before


def test_a_watcher_sees_each_change_and_the_end(running: Running) -> None:
    request_id = running.analyst.submit_over_rest(questions()[0], 5)
    with running.analyst.watch(request_id) as changes:
        running.settle()
        seen = [change["request"]["status"].removeprefix("REQUEST_STATUS_") for change in changes]
    # A scheduled export may have come before the watch.
    assert seen[0] in {"PENDING", "EXPORTED"}
    assert seen[-1] == "COMPLETED"
