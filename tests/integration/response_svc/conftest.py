"""A database with this network's tables, and the parts of execution around a fake search engine."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from common.auth.context import AuthContext
from common.auth.passwords import PasswordHasher
from common.auth.revocations import Revocations
from common.auth.tokens import TokenIssuer
from common.batches.steps import no_steps
from common.database.transaction import Database
from common.policy.index import AllowedIndex
from common.policy.live import LivePolicy
from common.policy.policy import Policy
from response_svc.adapters.accounts import MasterAccounts
from response_svc.adapters.claims import PostgresClaims
from response_svc.adapters.end_writer import GroupedEndWriter
from response_svc.adapters.queue import PostgresQueue
from response_svc.adapters.users import PostgresUsers
from response_svc.usecases.answer_search import Answering
from response_svc.usecases.change_users import UserContext
from response_svc.usecases.claim_requests import Claims
from response_svc.usecases.execute_next import ExecutionContext
from response_svc.usecases.flights import Flights
from sandbox.migrated import SERVICE, migrated_database
from tests.integration.response_svc.world import Arrivals, FakeEngine, FixedPolicy, NoCache, NoFlights

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sandbox.postgres import EmbeddedPostgres


@pytest.fixture(scope="session")
def migrated(postgres_server: EmbeddedPostgres) -> str:
    """The name of a database with every table of this network, from which each test gets a copy."""
    name = "response_template"
    migrated_database(postgres_server, "response", name)
    return name


@pytest.fixture
async def database(postgres_server: EmbeddedPostgres, migrated: str) -> AsyncIterator[Database]:
    """A fresh database with every table of this network."""
    name = f"response_{uuid4().hex}"
    postgres_server.create_database(name, template=migrated)
    opened = Database(postgres_server.url(name, SERVICE))
    yield opened
    await opened.close()
    postgres_server.drop_database(name)


@pytest.fixture
def user_context(database: Database) -> UserContext:
    """The use cases of users, with hashes that cost nothing."""
    return UserContext(database, PostgresUsers(), PasswordHasher.cheapest())


@pytest.fixture
async def auth(database: Database, user_context: UserContext) -> AsyncIterator[AuthContext]:
    """This network's sign-in, not started."""
    tokens = TokenIssuer(network="response", secret="0123456789" * 4, lifetime=timedelta(hours=1))
    made = AuthContext(
        database=database,
        directory=MasterAccounts(),
        hasher=user_context.hasher,
        tokens=tokens,
        revocations=Revocations(database, token_lifetime=tokens.lifetime, poll_seconds=0.2),
        policy=LivePolicy(database, poll_seconds=0.2),
    )
    yield made
    await made.close()


@pytest.fixture
def engine() -> FakeEngine:
    """A search engine that answers at once."""
    return FakeEngine()


@pytest.fixture
def execution(database: Database, engine: FakeEngine) -> ExecutionContext:
    """Execution of requests that may ask the index `cities`."""
    queue = PostgresQueue()
    return ExecutionContext(
        database=database,
        queue=queue,
        claims=Claims(database, queue, PostgresClaims(database), worker="test", lease=timedelta(seconds=60)),
        ends=GroupedEndWriter(database),
        answering=Answering(NoCache(), Flights(NoFlights(), longest_seconds=60), engine),
        policy=FixedPolicy(Policy(indices={"cities": AllowedIndex("cities")})),
        jitter=lambda: 0.5,
        steps=no_steps,
    )


@pytest.fixture
def arrivals(database: Database) -> Arrivals:
    """Lets requests arrive."""
    return Arrivals(database)
