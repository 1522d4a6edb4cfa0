"""What the use cases of sign-in work with, put together once by a service's composition root."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self

from common.auth.passwords import PasswordHasher
from common.auth.revocations import Revocations
from common.auth.tokens import TokenIssuer
from common.clock import now
from common.policy.live import LivePolicy

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from common.auth.accounts import AccountDirectory
    from common.auth.principal import Principal
    from common.database.transaction import Database
    from common.settings import NetworkSettings


@dataclass(frozen=True, slots=True)
class AuthContext:
    """The parts of one network's sign-in."""

    database: Database
    directory: AccountDirectory
    hasher: PasswordHasher
    tokens: TokenIssuer
    revocations: Revocations
    policy: LivePolicy
    refresh_lifetime: timedelta = timedelta(days=7)
    clock: Callable[[], datetime] = field(default=now)

    @classmethod
    def from_settings(cls, settings: NetworkSettings, database: Database, directory: AccountDirectory) -> Self:
        """The parts that `settings` describe. It is still to be started, and to be closed."""
        tokens = TokenIssuer.from_settings(settings)
        # A pooler that cannot keep prepared statements cannot keep a LISTEN either.
        listen_url = database.url if settings.database_prepared_statements else None
        poll_seconds = settings.session_poll_seconds
        return cls(
            database=database,
            directory=directory,
            hasher=PasswordHasher.from_settings(settings),
            tokens=tokens,
            revocations=Revocations(
                database, token_lifetime=tokens.lifetime, poll_seconds=poll_seconds, listen_url=listen_url
            ),
            policy=LivePolicy(database, poll_seconds=poll_seconds, listen_url=listen_url),
            refresh_lifetime=timedelta(days=settings.refresh_expiry_days),
        )

    async def start(self) -> None:
        """Reads what is kept in memory, failing if the database cannot be read, and then keeps it fresh."""
        await self.revocations.start()
        await self.policy.start()

    async def close(self) -> None:
        """Stops what `start` began, and the threads in which passwords are hashed."""
        await self.policy.close()
        await self.revocations.close()
        self.hasher.close()

    def authenticate(self, token: str) -> Principal:
        """The caller whom an access token names. Raises TokenInvalid-, TokenExpired- or SessionEndedError."""
        verified = self.tokens.verify(token)
        self.revocations.check(verified)
        return verified.principal


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a sign-in or a refresh gives."""

    session_id: UUID
    access_token: str
    expires_in: int
    refresh_token: str
    refresh_expires_at: datetime
