"""Access tokens as JWTs of one network (RFC 7519), and refresh tokens as random text of which only the hash is kept."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import OrderedDict
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Self
from uuid import UUID, uuid4

import jwt

from common.auth.permissions import permissions_of
from common.auth.principal import Principal
from common.clock import now
from common.errors import TokenExpiredError, TokenInvalidError
from common.policy.limits import BASIC, LIMIT_NAMES, RateLimits, UserLimits

if TYPE_CHECKING:
    from collections.abc import Callable

    from common.auth.accounts import Account
    from common.settings import NetworkSettings

ALGORITHM: Final = "HS256"
TOKEN_LIMIT: Final = 4096
"""Characters of an access token; ours have about 500."""
REMEMBERED_TOKENS: Final = 2048
"""Tokens whose signature need not be checked again; about a kilobyte each."""
LEEWAY_SECONDS: Final = 5
"""How far the clocks of one network's hosts may differ."""
_CLAIMS: Final = ("iss", "aud", "sub", "jti", "sid", "iat", "exp", "auth_time", "username", "role", "priority")


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A signed token and the seconds until it ends."""

    text: str
    expires_in: int


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """What a genuine token says. Whether its session still stands is another question."""

    principal: Principal
    signed_in_at: datetime
    issued_at: datetime


class TokenIssuer:
    """Makes and checks one network's access tokens; the other network's are refused by issuer and audience."""

    def __init__(self, *, network: str, secret: str, lifetime: timedelta, clock: Callable[[], datetime] = now) -> None:
        """`network` is `request` or `response`; `secret` is SECRET_KEY."""
        self._name = f"airlock-{network}"
        self._secret = secret
        self._clock = clock
        self.lifetime = lifetime
        self._known: OrderedDict[str, tuple[float, VerifiedToken]] = OrderedDict()

    @classmethod
    def from_settings(cls, settings: NetworkSettings, clock: Callable[[], datetime] = now) -> Self:
        """The issuer of the network that `settings` belong to."""
        return cls(
            network=settings.network_name,
            secret=settings.secret_key.get_secret_value(),
            lifetime=timedelta(minutes=settings.jwt_expiry_minutes),
            clock=clock,
        )

    def issue(self, account: Account, session_id: UUID, signed_in_at: datetime) -> AccessToken:
        """A token for `account`. `signed_in_at` is when the password was given, also after refreshing."""
        issued_at = self._clock()
        claims = {
            "iss": self._name,
            "aud": self._name,
            "sub": str(account.user_id),
            "jti": str(uuid4()),
            "sid": str(session_id),
            # To the microsecond, so that a change of the account a moment earlier does not count against it.
            "iat": issued_at.timestamp(),
            "exp": int((issued_at + self.lifetime).timestamp()),
            "auth_time": signed_in_at.timestamp(),
            "username": account.username,
            "role": account.role,
            **_limit_claims(account.limits),
            "profile_type": account.profile_type,
        }
        return AccessToken(jwt.encode(claims, self._secret, ALGORITHM), int(self.lifetime.total_seconds()))

    def verify(self, token: str) -> VerifiedToken:
        """Checks signature, network and time. Raises TokenExpiredError or TokenInvalidError.

        A token that was found genuine is remembered, and of the same text only the time is checked again: PyJWT takes
        longer for its checks than everything else around a call together.
        """
        known = self._known.get(token)
        if known is not None:
            ends_at, verified = known
            if time.time() < ends_at + LEEWAY_SECONDS:
                return verified
            del self._known[token]
        ends_at, verified = self._decode(token)
        self._known[token] = ends_at, verified
        if len(self._known) > REMEMBERED_TOKENS:
            self._known.popitem(last=False)
        return verified

    def _decode(self, token: str) -> tuple[float, VerifiedToken]:
        if len(token) > TOKEN_LIMIT:
            raise _invalid()
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=[ALGORITHM],
                issuer=self._name,
                audience=self._name,
                leeway=LEEWAY_SECONDS,
                options={"require": list(_CLAIMS)},
            )
            return float(claims["exp"]), _verified(claims)
        except jwt.ExpiredSignatureError:
            raise TokenExpiredError("The access token's time is over; refresh it or sign in again.") from None
        except (jwt.InvalidTokenError, KeyError, TypeError, ValueError, OverflowError):
            raise _invalid() from None


def new_refresh_token() -> str:
    """256 random bits as text; it says nothing by itself."""
    return secrets.token_urlsafe(32)


def refresh_token_hash(token: str) -> bytes:
    """The SHA-256 under which a refresh token is kept. A plain hash is enough for 256 random bits."""
    return hashlib.sha256(token.encode()).digest()


def _verified(claims: dict[str, Any]) -> VerifiedToken:
    role = str(claims["role"])
    return VerifiedToken(
        principal=Principal(
            user_id=UUID(claims["sub"]),
            username=str(claims["username"]),
            role=role,
            session_id=UUID(claims["sid"]),
            permissions=permissions_of(role),
            limits=_limits(claims),
            profile_type=str(claims.get("profile_type", "")),
        ),
        signed_in_at=datetime.fromtimestamp(float(claims["auth_time"]), UTC),
        issued_at=datetime.fromtimestamp(float(claims["iat"]), UTC),
    )


def _limit_claims(limits: UserLimits) -> dict[str, Any]:
    rates = limits.rates
    return {
        "rates": [rates.per_minute, rates.per_hour, rates.per_day],
        "priority": limits.priority,
        "inherits": sorted(limits.inherits),
    }


def _limits(claims: dict[str, Any]) -> UserLimits:
    """A token from before an upgrade says nothing of rates; its hour is over soon."""
    per_minute, per_hour, per_day = map(int, claims.get("rates", astuple(BASIC.rates)))
    return UserLimits(
        RateLimits(per_minute, per_hour, per_day),
        int(claims["priority"]),
        frozenset(map(str, claims.get("inherits", LIMIT_NAMES))),
    )


def _invalid() -> TokenInvalidError:
    return TokenInvalidError("The access token is not one of this network's; sign in here to get one.")
