"""What the use cases of sign-in work with, put together once by a service's composition root."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Self

from common.auth.api_keys import is_api_key
from common.auth.passwords import PasswordHasher
from common.auth.replica_age import ReplicaAge
from common.auth.revocations import Revocations
from common.auth.throttle import ThrottleRules
from common.auth.tokens import TokenIssuer
from common.clock import now
from common.errors import TokenInvalidError
from common.policy.live import LivePolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from airlock.common.v1.permission_pb2 import Permission

    from common.auth.accounts import AccountDirectory
    from common.auth.api_keys import ApiKeyAuthenticator
    from common.auth.principal import Principal
    from common.auth.replica_age import SealingTime
    from common.database.notices import Notices
    from common.database.transaction import Database
    from common.settings import NetworkSettings


KEY_EXPIRES_HEADER: Final = "x-airlock-key-expires"
"""On answers to calls with a key that ends soon: when, after RFC 3339."""


@dataclass(frozen=True, slots=True)
class AuthContext:
    """The parts of one network's sign-in."""

    database: Database
    directory: AccountDirectory
    hasher: PasswordHasher
    tokens: TokenIssuer
    revocations: Revocations
    policy: LivePolicy
    replica_age: ReplicaAge | None = None
    """On a network whose accounts are copies."""
    refresh_lifetime: timedelta = timedelta(days=7)
    clock: Callable[[], datetime] = field(default=now)
    api_keys: ApiKeyAuthenticator | None = None
    """On a network that has them."""

    @classmethod
    def from_settings(
        cls,
        settings: NetworkSettings,
        database: Database,
        directory: AccountDirectory,
        *,
        notices: Notices,
        api_keys: ApiKeyAuthenticator | None = None,
        sealing_time: SealingTime | None = None,
        clock: Callable[[], datetime] = now,
    ) -> Self:
        """The parts that `settings` describe. It is still to be started, and to be closed.

        `sealing_time` reads how old the accounts are, where they are copies. `clock` tells that age and the times of
        sessions; tokens go by the time that those who check them have.
        """
        tokens = TokenIssuer.from_settings(settings)
        poll_seconds = settings.session_poll_seconds
        policy = LivePolicy(database, poll_seconds=poll_seconds, notices=notices)
        age = ReplicaAge(sealing_time, policy, clock) if sealing_time is not None else None
        return cls(
            database=database,
            directory=directory,
            hasher=PasswordHasher.from_settings(settings),
            tokens=tokens,
            revocations=Revocations(
                database,
                token_lifetime=tokens.lifetime,
                poll_seconds=poll_seconds,
                notices=notices,
                besides=age.refresh if age is not None else None,
            ),
            policy=policy,
            replica_age=age,
            refresh_lifetime=timedelta(days=settings.refresh_expiry_days),
            clock=clock,
            api_keys=api_keys,
        )

    async def start(self) -> None:
        """Reads what is kept in memory, failing if the database cannot be read, and then keeps it fresh."""
        await self.revocations.start()
        await self.policy.start()
        if self.api_keys is not None:
            await self.api_keys.start()

    async def close(self) -> None:
        """Stops what `start` began, and the threads in which passwords are hashed."""
        if self.api_keys is not None:
            await self.api_keys.close()
        await self.policy.close()
        await self.revocations.close()
        self.hasher.close()

    def authenticate(self, token: str) -> Principal:
        """The caller whom an access token names. Raises TokenInvalid-, TokenExpired- or SessionEndedError."""
        verified = self.tokens.verify(token)
        self.revocations.check(verified)
        return verified.principal

    async def identify(self, credential: str, address: str | None) -> Principal:
        """The caller whom an access token or an API key names. Raises what `authenticate` does, or RateLimitedError."""
        if not is_api_key(credential):
            return self.authenticate(credential)
        if self.api_keys is None:
            raise TokenInvalidError("API keys are of the Request Network; sign in here with name and password.")
        return await self.api_keys.authenticate(credential, address)

    def admit(self, principal: Principal, permission: Permission.ValueType) -> Sequence[tuple[str, str]]:
        """Headers for each answer to the caller. Raises ReplicaTooOldError."""
        age = self.replica_age.admit(principal.role, permission) if self.replica_age is not None else ()
        return (*age, *self._key_warning(principal))

    def throttle(self) -> ThrottleRules:
        """How often a password may be tried now."""
        policy = self.policy.current
        return ThrottleRules(
            free_attempts_per_name=policy.number("sign_in.free_attempts_per_name"),
            free_attempts_per_address=policy.number("sign_in.free_attempts_per_address"),
            first_delay=timedelta(seconds=policy.number("sign_in.first_delay_seconds")),
            longest_delay=timedelta(seconds=policy.number("sign_in.longest_delay_seconds")),
            window=timedelta(minutes=policy.number("sign_in.window_minutes")),
        )

    def _key_warning(self, principal: Principal) -> Sequence[tuple[str, str]]:
        if principal.key is None:
            return ()
        warned_of = self.clock() + timedelta(days=self.policy.current.number("api_keys.warning_days"))
        ends_at = principal.key.ends_at
        return ((KEY_EXPIRES_HEADER, f"{ends_at:%Y-%m-%dT%H:%M:%SZ}"),) if ends_at <= warned_of else ()


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a sign-in or a refresh gives."""

    session_id: UUID
    access_token: str
    expires_in: int
    refresh_token: str
    refresh_expires_at: datetime
