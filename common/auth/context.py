"""What the use cases of sign-in work with, put together once by a service's composition root."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self

from common.auth.passwords import PasswordHasher
from common.auth.revocations import Revocations
from common.auth.tokens import TokenIssuer
from common.clock import now

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
    refresh_lifetime: timedelta = timedelta(days=7)
    clock: Callable[[], datetime] = field(default=now)

    @classmethod
    def from_settings(cls, settings: NetworkSettings, database: Database, directory: AccountDirectory) -> Self:
        """The parts that `settings` describe. The revocations are still to be started, and to be closed."""
        tokens = TokenIssuer.from_settings(settings)
        # A pooler that cannot keep prepared statements cannot keep a LISTEN either.
        listens = settings.database_prepared_statements
        revocations = Revocations(
            database,
            token_lifetime=tokens.lifetime,
            poll_seconds=settings.session_poll_seconds,
            listen_url=database.url if listens else None,
        )
        return cls(
            database=database,
            directory=directory,
            hasher=PasswordHasher.from_settings(settings),
            tokens=tokens,
            revocations=revocations,
            refresh_lifetime=timedelta(days=settings.refresh_expiry_days),
        )

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
