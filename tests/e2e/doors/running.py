"""Both networks as real processes, started once for all tests of the doors."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.asking import Asker, Person, create
from sandbox.clients import RestClient, rest_client
from sandbox.crossing import End, cross, cross_first_users, unfinished
from sandbox.pair import Pair
from sandbox.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SETTINGS = {
    "IMPORT_SECONDS": "2",
    "IMPORT_USERS_SECONDS": "2",
    "EXPORT_REQUESTS_SECONDS": "3",
    "EXECUTE_SWEEP_SECONDS": "2",
    "EXECUTION_LEASE_SECONDS": "10",
    "SEAL_AUDIT_SECONDS": "2",
    "ARGON2_TIME_COST": "1",
    "ARGON2_MEMORY_KIB": "1024",
}
PASSWORD = "correct horse battery staple"
ANALYST = Person("analyst", "Analyst", "premium", 5, PASSWORD)
STRANGER = Person("stranger", "Somebody else", "basic", 5, PASSWORD)
COURIER = Person("courier", "Courier", "basic", 5, PASSWORD)
SEARCH_SECONDS = 90


@dataclass(frozen=True, slots=True)
class Running:
    """The networks and those who are signed in."""

    pair: Pair
    admin: RestClient
    operator: RestClient
    analyst: Asker
    stranger: Asker

    @property
    def asking(self) -> End:
        """The Request Network's end."""
        return End.of(self.pair.request, self.operator)

    @property
    def searching(self) -> End:
        """The Response Network's end."""
        return End.of(self.pair.response, self.admin)

    def send_requests(self) -> None:
        """Questions out."""
        cross("requests", self.asking, self.searching, self.pair.stick)

    def wait_for_searches(self) -> None:
        """Until nothing waits for an answer there."""
        wait_until(lambda: unfinished(self.admin) == 0, what="the searches", limit_seconds=SEARCH_SECONDS)

    def send_answers(self) -> None:
        """Answers back."""
        cross("responses", self.searching, self.asking, self.pair.stick)

    def settle(self) -> None:
        """One whole round."""
        self.send_requests()
        self.wait_for_searches()
        self.send_answers()


@contextmanager
def run_networks(folder: Path) -> Iterator[Running]:
    """Starts everything, makes users and carries them over; stops everything."""
    with ExitStack() as closing:
        pair = Pair(folder / "pair", folder / "run", settings=SETTINGS)
        closing.callback(pair.stop)
        pair.build()
        admin = closing.enter_context(pair.sign_in_admin())
        for person, role in ((ANALYST, "user"), (STRANGER, "user"), (COURIER, "operator")):
            create(admin, person, role=role)
        operator = closing.enter_context(rest_client(pair.request.envoy))
        ends = (End.of(pair.response, admin), End.of(pair.request, operator))
        cross_first_users(*ends, pair.stick, COURIER)
        askers = [Asker(pair.request.envoy, person) for person in (ANALYST, STRANGER)]
        for asker in askers:
            closing.callback(asker.close)
        yield Running(pair, admin, operator, *askers)
