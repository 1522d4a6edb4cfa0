"""A database with the shared tables, and a sign-in that stands on it and on accounts in memory."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
import pytest_asyncio

import common.audit.tables
import common.auth.tables
import common.jobs.tables
import common.policy.tables  # noqa: F401 - these declare their tables.
from common.auth.accounts import Account
from common.auth.context import AuthContext
from common.auth.passwords import PasswordHasher
from common.auth.revocations import Revocations
from common.auth.sign_in import sign_in
from common.auth.tokens import TokenIssuer
from common.database.metadata import shared_metadata
from common.database.transaction import Database
from common.policy.limits import BASIC
from common.policy.live import LivePolicy
from tests.integration.common.accounts import CALLER, PASSWORD, Accounts
from tests.integration.common.operating import Network, Networks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sandbox.postgres import EmbeddedPostgres
    from transfer.bundle.keyring import GeneratedKeys


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    made = Database(database_url)
    async with made.engine.begin() as connection:
        await connection.run_sync(shared_metadata.create_all)
    yield made
    await made.close()


@pytest.fixture
def hasher() -> PasswordHasher:
    return PasswordHasher.cheapest()


@pytest_asyncio.fixture
async def accounts(hasher: PasswordHasher) -> Accounts:
    directory = Accounts()
    directory.add(
        Account(
            user_id=uuid4(),
            username="sara",
            full_name="Sara",
            role="user",
            profile_type="basic",
            limits=BASIC,
            is_active=True,
            password_hash=await hasher.hash(PASSWORD),
        )
    )
    return directory


@pytest.fixture
def sara(accounts: Accounts) -> Account:
    return next(iter(accounts.by_id.values()))


@pytest_asyncio.fixture
async def auth(database: Database, accounts: Accounts, hasher: PasswordHasher) -> AsyncIterator[AuthContext]:
    tokens = TokenIssuer(network="request", secret="0123456789" * 4, lifetime=timedelta(hours=1))
    revocations = Revocations(database, token_lifetime=tokens.lifetime, poll_seconds=0.2)
    made = AuthContext(
        database=database,
        directory=accounts,
        hasher=hasher,
        tokens=tokens,
        revocations=revocations,
        policy=LivePolicy(database, poll_seconds=0.2),
    )
    yield made
    await made.close()


@pytest_asyncio.fixture
async def networks(
    auth: AuthContext, accounts: Accounts, sara: Account, tmp_path: Path, server_folder: Path
) -> AsyncIterator[Networks]:
    accounts.change(sara.user_id, role="operator")
    token = (await sign_in(auth, username="sara", password=PASSWORD, caller=CALLER)).access_token
    made = Networks(auth, (("authorization", f"Bearer {token}"),), tmp_path, server_folder)
    yield made
    await made.stop()


@pytest_asyncio.fixture
async def response(networks: Networks, database: Database, keys: GeneratedKeys) -> Network:
    return await networks.start("response", database, keys)


@pytest_asyncio.fixture
async def request_side(
    networks: Networks, postgres_server: EmbeddedPostgres, keys: GeneratedKeys
) -> AsyncIterator[Network]:
    name = f"peer_{uuid4().hex[:8]}"
    database = Database(postgres_server.create_database(name))
    async with database.engine.begin() as connection:
        await connection.run_sync(shared_metadata.create_all)
    yield await networks.start("request", database, keys)
    await database.close()
    postgres_server.drop_database(name)
