"""A token is good on its own network, for its time, and unchanged; anything else is refused."""

from __future__ import annotations

import base64
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest
from airlock.common.v1 import permission_pb2

from common.auth.accounts import Account
from common.auth.tokens import TokenIssuer, new_refresh_token, refresh_token_hash
from common.errors import TokenExpiredError, TokenInvalidError
from common.policy.limits import RateLimits, UserLimits

SECRET = "0123456789abcdefghijklmnopqrstuvwxyz"
ACCOUNT = Account(
    user_id=uuid4(),
    username="sara",
    full_name="Sara",
    role="operator",
    profile_type="premium",
    limits=UserLimits(RateLimits(20, 300, 4000), 7, frozenset({"rate_limit_per_day"})),
    is_active=True,
    password_hash="",
)


def issuer(network: str = "request", secret: str = SECRET, at: datetime | None = None) -> TokenIssuer:
    moment = at or datetime.now(UTC)
    return TokenIssuer(network=network, secret=secret, lifetime=timedelta(hours=1), clock=lambda: moment)


def a_token(**kwargs: Any) -> str:
    return issuer(**kwargs).issue(ACCOUNT, uuid4(), datetime.now(UTC)).text


def with_claims(**changes: Any) -> str:
    claims = jwt.decode(a_token(), options={"verify_signature": False})
    claims.update(changes)
    return jwt.encode({key: value for key, value in claims.items() if value is not None}, SECRET, "HS256")


def test_a_token_says_who_calls() -> None:
    session, at = uuid4(), datetime.now(UTC)
    verified = issuer().verify(issuer().issue(ACCOUNT, session, at).text)
    principal = verified.principal
    assert (principal.user_id, principal.session_id) == (ACCOUNT.user_id, session)
    assert (principal.username, principal.role, principal.limits) == ("sara", "operator", ACCOUNT.limits)
    assert principal.profile_type == "premium"
    assert principal.may(permission_pb2.PERMISSION_OPERATE)
    assert abs(verified.signed_in_at - at) < timedelta(milliseconds=1)


def test_an_expired_token_is_refused_as_expired() -> None:
    with pytest.raises(TokenExpiredError):
        issuer().verify(a_token(at=datetime.now(UTC) - timedelta(hours=2)))


def test_the_other_networks_token_is_refused_even_with_the_same_secret() -> None:
    with pytest.raises(TokenInvalidError):
        issuer("request").verify(a_token(network="response"))


def test_a_token_of_another_secret_is_refused() -> None:
    with pytest.raises(TokenInvalidError):
        issuer().verify(a_token(secret=SECRET[::-1]))


def test_a_changed_claim_breaks_the_signature() -> None:
    head, body, signature = a_token().split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    claims["role"] = "admin"
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    with pytest.raises(TokenInvalidError):
        issuer().verify(f"{head}.{forged}.{signature}")


def test_an_unsigned_token_is_refused() -> None:
    claims = jwt.decode(a_token(), options={"verify_signature": False})
    with pytest.raises(TokenInvalidError):
        issuer().verify(jwt.encode(claims, "", algorithm="none"))


def test_another_hash_than_the_pinned_one_is_refused() -> None:
    claims = jwt.decode(a_token(), options={"verify_signature": False})
    with pytest.raises(TokenInvalidError):
        issuer().verify(jwt.encode(claims, SECRET * 2, algorithm="HS512"))


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "jti", "sid", "iat", "exp", "auth_time", "role", "priority"])
def test_a_token_without_a_claim_is_refused(claim: str) -> None:
    with pytest.raises(TokenInvalidError):
        issuer().verify(with_claims(**{claim: None}))


@pytest.mark.parametrize(
    "changes", [{"sub": "nobody"}, {"sid": "x"}, {"priority": "high"}, {"auth_time": "x"}, {"auth_time": 1e30}]
)
def test_a_claim_of_another_form_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(TokenInvalidError):
        issuer().verify(with_claims(**changes))


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "." * 10, "a" * 100_000, "é.é.é"])
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(TokenInvalidError):
        issuer().verify(text)


def test_an_unknown_role_may_do_nothing() -> None:
    principal = issuer().verify(with_claims(role="emperor")).principal
    assert principal.permissions == frozenset()
    assert not principal.may(permission_pb2.PERMISSION_SIGNED_IN)


def test_refresh_tokens_are_long_and_never_the_same() -> None:
    tokens = {new_refresh_token() for _ in range(100)}
    assert len(tokens) == 100
    assert min(map(len, tokens)) >= 43
    assert len(refresh_token_hash(tokens.pop())) == 32


def test_a_token_that_was_good_before_still_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    here, token = issuer(), a_token()
    here.verify(token)
    here.verify(token)
    later = time.time() + 3700
    monkeypatch.setattr(time, "time", lambda: later)
    monkeypatch.setattr("jwt.api_jwt.datetime", Later)
    with pytest.raises(TokenExpiredError):
        here.verify(token)


class Later(datetime):
    """A clock that is an hour and a bit ahead."""

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return datetime.now(tz) + timedelta(seconds=3700)


def test_remembering_good_tokens_lets_no_changed_one_in() -> None:
    here, token = issuer(), a_token()
    here.verify(token)
    for changed in (token[:-2] + ("AA" if token[-2:] != "AA" else "BB"), token[:-1], token.upper()):
        with pytest.raises(TokenInvalidError):
            here.verify(changed)


def test_only_so_many_tokens_are_remembered() -> None:
    here = issuer()
    tokens = [here.issue(ACCOUNT, uuid4(), datetime.now(UTC)).text for _ in range(30)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("common.auth.tokens.REMEMBERED_TOKENS", 10)
        for token in tokens:
            here.verify(token)
        assert here.verify(tokens[0]).principal.username == "sara"
