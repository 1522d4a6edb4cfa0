"""The demo: 200 questions cross the gap and come back, every answer is compared, and everything is stopped again."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.asking import COMPLETED, Asker, Outcome, Person, create, people
from sandbox.checking import direct_engine, same_answer
from sandbox.clients import rest_client
from sandbox.crossing import End, Leg, cross, cross_first_users, unfinished
from sandbox.demo_queries import COUNT, Question, questions
from sandbox.pair import Pair, new_password
from sandbox.signals import undisturbed
from sandbox.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sandbox.clients import RestClient
    from sandbox.dataset import ElasticsearchServer
    from sandbox.screen import Screen

EXECUTE_SECONDS = 120
SHOWN_PROBLEMS = 5
SHOWN_CHARACTERS = 100
SETTINGS = {"IMPORT_SECONDS": "2", "IMPORT_USERS_SECONDS": "2"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and the request that it became."""

    question: Question
    asker: Asker
    request_id: str
    over_rest: bool


def run_demo(folder: Path, server: ElasticsearchServer | None, screen: Screen) -> bool:
    """Runs the whole demo in `folder`; whether every answer came and none differed. Stops what it started."""
    pair = Pair(folder, folder / "run", elasticsearch=server, serve_processes=1, settings=SETTINGS)
    with ExitStack() as cleaning:
        cleaning.callback(_stop, pair)
        screen.heading("Two networks that never touch")
        pair.build(screen.line)
        screen.line(f"Request Network at {pair.request.envoy.url}, Response Network at {pair.response.envoy.url}")
        admin = pair.sign_in_admin()
        cleaning.callback(admin.close)
        return Demo(pair, admin, screen, cleaning).run()


def _stop(pair: Pair) -> None:
    with undisturbed():
        pair.stop()


class Demo:
    """The story of the demo, told step by step to a screen."""

    def __init__(self, pair: Pair, admin: RestClient, screen: Screen, cleaning: ExitStack) -> None:
        self._pair = pair
        self._admin = admin
        self._screen = screen
        self._cleaning = cleaning
        self._operator = rest_client(pair.request.envoy)
        cleaning.callback(self._operator.close)
        self._request_end = End.of(pair.request, self._operator)
        self._response_end = End.of(pair.response, admin)
        self._legs: list[Leg] = []

    def run(self) -> bool:
        """Whether every answer came and none differed."""
        self._screen.heading("Users are made where the search engine is, and carried over")
        askers = self._bring_users(people())
        self._screen.heading(f"{COUNT} questions leave, {COUNT} answers return")
        asked = self._submit(askers)
        self._cross("requests", self._request_end, self._response_end)
        self._wait_for_execution()
        self._cross("responses", self._response_end, self._request_end)
        self._screen.heading("Each answer beside the engine's own")
        outcomes = self._read(asked)
        different = self._compare(asked, outcomes)
        self._show_one(asked, outcomes)
        self._screen.legs(self._legs)
        return self._conclude(outcomes, different)

    def _bring_users(self, persons: Sequence[Person]) -> list[Asker]:
        ids = {person.username: create(self._admin, person) for person in persons}
        courier = Person("courier", "Courier", "basic", 5, new_password())
        create(self._admin, courier, role="operator")
        self._screen.line(f"the admin made {', '.join(ids)}, and an operator named courier, over REST")
        leg = cross_first_users(self._response_end, self._request_end, self._pair.stick, courier)
        self._tell(leg)
        askers = []
        for person in persons:
            asker = Asker(self._pair.request.envoy, person)
            self._cleaning.callback(asker.close)
            assert asker.user_id == ids[person.username], f"the id of {person.username} changed on the way"
            askers.append(asker)
        self._screen.line("they sign in on the Request Network with their own passwords, under the same ids")
        return askers

    def _submit(self, askers: Sequence[Asker]) -> list[Asked]:
        asked = []
        with self._screen.counting("submitting", COUNT) as advance:
            for number, question in enumerate(questions()):
                asker = askers[number % len(askers)]
                priority = 1 + number % asker.person.priority
                over_rest = number % 8 < len(askers)
                if over_rest:
                    request_id = asker.submit_over_rest(question, priority)
                else:
                    request_id = asker.submit_over_grpc(question, priority, typed=number % 3 == 0)
                asked.append(Asked(question, asker, request_id, over_rest))
                advance()
        self._screen.line(f"{COUNT} requests submitted by {len(askers)} users, half over REST and half over gRPC")
        return asked

    def _cross(self, kind: str, source: End, destination: End) -> None:
        self._tell(cross(kind, source, destination, self._pair.stick))

    def _tell(self, leg: Leg) -> None:
        self._legs.append(leg)
        self._screen.line(leg.summary)

    def _wait_for_execution(self) -> None:
        with self._screen.counting("searching", COUNT) as advance:
            done = 0

            def finished() -> bool:
                nonlocal done
                self._pair.check_running()
                left = unfinished(self._admin)
                while done < COUNT - left:
                    done += 1
                    advance()
                return left == 0

            wait_until(finished, what="the Response Network to search", limit_seconds=EXECUTE_SECONDS)
        self._screen.line("the Response Network has searched, the most urgent first")

    def _read(self, asked: Sequence[Asked]) -> list[Outcome]:
        outcomes = []
        with self._screen.counting("reading", COUNT) as advance:
            for one in asked:
                read = one.asker.outcome_over_rest if one.over_rest else one.asker.outcome_over_grpc
                outcomes.append(read(one.request_id))
                advance()
        return outcomes

    def _compare(self, asked: Sequence[Asked], outcomes: Sequence[Outcome]) -> int:
        engine = direct_engine(self._pair.elasticsearch, self._pair.search_folder)
        different = 0
        try:
            with self._screen.counting("comparing", COUNT) as advance:
                for one, outcome in zip(asked, outcomes, strict=True):
                    problem = "" if outcome.status == COMPLETED else f"{outcome.status} {outcome.reason}"
                    if not problem and not same_answer(outcome.body, engine.answer(one.question)):
                        problem = "the engine answers differently when asked directly"
                        different += 1
                    if problem:
                        self._screen.problem(f"{one.request_id}: {problem}: {one.question.body.decode()}")
                    advance()
        finally:
            engine.close()
        return different

    def _show_one(self, asked: Sequence[Asked], outcomes: Sequence[Outcome]) -> None:
        answer = json.loads(outcomes[0].body or b"{}")
        found = [hit["_source"]["name"] for hit in answer.get("hits", {}).get("hits", [])]
        question = asked[0].question
        self._screen.line(f"for example {question.index}: {question.body.decode()}")
        self._screen.line(f"found {', '.join(found)[:SHOWN_CHARACTERS]}")

    def _conclude(self, outcomes: Sequence[Outcome], different: int) -> bool:
        answered = sum(outcome.status == COMPLETED for outcome in outcomes)
        lost = COUNT - answered
        self._screen.conclusion(
            f"{answered} of {COUNT} answered, {lost} lost, {different} different", good=lost == different == 0
        )
        return lost == different == 0
