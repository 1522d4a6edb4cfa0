"""Workers killed with SIGKILL in the middle of their work, and Redis emptied under them: nothing is lost or doubled."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest
import redis

from common.batches.steps import Step
from sandbox.asking import COMPLETED
from sandbox.crossing import carry, run_export
from sandbox.demo_queries import questions
from sandbox.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.network import Network
    from tests.e2e.doors.running import Running

DEATH_SECONDS = 90


@contextmanager
def doomed_worker(network: Network, step: Step) -> Iterator[None]:
    """Replaces the network's worker by one that dies at `step`; once it is dead, an ordinary one takes over."""
    processes = network.processes
    processes.child("worker").stop()
    doomed = processes.start("worker", extra={"AIRLOCK_KILL_AT": step})
    try:
        yield
        wait_until(lambda: doomed.exit_code() is not None, what=f"death at {step}", limit_seconds=DEATH_SECONDS)
        assert doomed.exit_code() == -signal.SIGKILL
    finally:
        doomed.kill()
        processes.start("worker")


def count(network: Network, statement: str, request_id: str) -> int:
    """How many rows of a database speak of a request."""
    with psycopg.connect(network.postgres.url("airlock")) as connection:
        row = connection.execute(statement, {"id": request_id}).fetchone()
    assert row is not None
    return int(row[0])


def assert_answered_once(running: Running, request_id: str) -> None:
    """The answer is here, and there was one execution that counted and one answer."""
    assert running.analyst.outcome_over_rest(request_id).status == COMPLETED
    arrived = "SELECT count(*) FROM incoming_requests WHERE original_request_id = %(id)s"
    assert count(running.pair.response, arrived, request_id) == 1
    answers = (
        "SELECT count(*) FROM query_results q JOIN incoming_requests r ON r.id = q.request_id"
        " WHERE r.original_request_id = %(id)s"
    )
    assert count(running.pair.response, answers, request_id) == 1
    assert count(running.pair.request, "SELECT count(*) FROM responses WHERE request_id = %(id)s", request_id) == 1


@pytest.mark.parametrize("step", [Step.WRITE, Step.RENAME])
def test_a_worker_killed_in_an_export(running: Running, step: Step) -> None:
    with doomed_worker(running.pair.request, step):
        asked = running.analyst.submit_over_rest(questions()[0], 5)
    running.settle()
    assert_answered_once(running, asked)


@pytest.mark.parametrize("step", [Step.APPLY, Step.COMMIT])
def test_a_worker_killed_in_an_import(running: Running, step: Step) -> None:
    with doomed_worker(running.pair.response, step):
        asked = running.analyst.submit_over_rest(questions()[1], 5)
        run_export(running.operator, "requests")
        carry(running.asking, running.searching, running.pair.stick)
    running.settle()
    assert_answered_once(running, asked)


def test_a_worker_killed_in_a_query(running: Running) -> None:
    with doomed_worker(running.pair.response, Step.EXECUTE_ANSWERED):
        asked = running.analyst.submit_over_rest(questions()[2], 5)
        running.send_requests()
    running.settle()
    assert_answered_once(running, asked)


def test_a_killed_serve_process_is_not_noticed_by_those_who_read(running: Running) -> None:
    victims = running.pair.request.processes.child("serve").descendants()
    victims[0].send_signal(signal.SIGKILL)
    for _ in range(50):
        assert running.analyst.user_id


def test_an_emptied_redis_loses_no_request_and_needs_nobody(running: Running) -> None:
    networks = (running.pair.request, running.pair.response)
    before, after = questions()[:2]
    first = running.analyst.submit_over_rest(before, 5)
    running.send_requests()
    # With the streams of wake-ups goes all that the workers were about to do, and their places in them.
    for network in networks:
        with redis.Redis(port=network.valkey.port) as client:
            client.flushall()
    second = running.analyst.submit_over_rest(after, 5)
    running.settle()
    for request_id in (first, second):
        assert_answered_once(running, request_id)
