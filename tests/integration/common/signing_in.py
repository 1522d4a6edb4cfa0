"""A user who is changed while he signs in, the same story for the directories of both networks."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from common.auth.context import AuthContext
from common.auth.passwords import PasswordHasher
from common.auth.revocations import Revocations
from common.auth.sign_in import sign_in
from common.auth.tokens import TokenIssuer
from common.errors import CredentialsWrongError
from common.policy.live import LivePolicy
from tests.integration.common.accounts import CALLER

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from common.auth.accounts import AccountDirectory
    from common.database.transaction import Database, Transaction


async def a_deactivation_meanwhile_shuts_out(
    database: Database,
    directory: AccountDirectory,
    *,
    deactivate: Callable[[Transaction], Awaitable[object]],
    username: str,
    password: str,
) -> None:
    """The deactivation is written and not yet committed when the sign-in comes to open its session."""
    tokens = TokenIssuer(network="request", secret="0123456789" * 4, lifetime=timedelta(hours=1))
    auth = AuthContext(
        database=database,
        directory=directory,
        hasher=PasswordHasher.cheapest(),
        tokens=tokens,
        revocations=Revocations(database, token_lifetime=tokens.lifetime),
        policy=LivePolicy(database),
    )
    async with database.transaction() as changing:
        await deactivate(changing)
        signing_in = asyncio.create_task(sign_in(auth, username=username, password=password, caller=CALLER))
        async with asyncio.timeout(30):
            while not signing_in.done() and not await someone_waits(database):
                pass
    with pytest.raises(CredentialsWrongError):
        await signing_in


async def someone_waits(database: Database) -> bool:
    async with database.transaction() as transaction:
        return bool(await transaction.connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))
