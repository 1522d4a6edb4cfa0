"""Forged, foreign and broken tokens against a real server: each is refused as unauthenticated and none is believed."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import struct
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import grpc
import jwt
import pytest
import pytest_asyncio
from airlock.auth.v1 import auth_service_pb2 as pb
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from common.auth.sessions import note_changed_claims
from common.auth.sign_in import sign_in
from common.auth.tokens import TokenIssuer
from tests.integration.common.accounts import CALLER, PASSWORD
from tests.integration.common.door import Door, open_door, reason_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from common.auth.accounts import Account
    from common.auth.context import AuthContext

SECRET = "0123456789" * 4
OTHER_SECRET = "another secret of the same length, forty"
GET_CALLER = "/airlock.auth.v1.AuthService/GetCaller"


@pytest_asyncio.fixture
async def door(auth: AuthContext, server_folder: Path) -> AsyncIterator[Door]:
    async with open_door(auth, server_folder) as opened:
        yield opened


@pytest_asyncio.fixture
async def good(auth: AuthContext) -> str:
    return (await sign_in(auth, username="sara", password=PASSWORD, caller=CALLER)).access_token


def claims(token: str, **changes: Any) -> dict[str, Any]:
    """What the token says, with changes; None leaves a claim out."""
    said = {**jwt.decode(token, options={"verify_signature": False}), **changes}
    return {name: value for name, value in said.items() if value is not None}


def part(content: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def signed_by_hand(header: dict[str, Any], content: dict[str, Any], key: bytes) -> str:
    """A token that PyJWT refuses to make."""
    text = f"{part(header)}.{part(content)}"
    signature = base64.urlsafe_b64encode(hmac.digest(key, text.encode(), hashlib.sha256)).rstrip(b"=").decode()
    return f"{text}.{signature}"


def with_a_public_key_as_secret(token: str) -> str:
    public = rsa.generate_private_key(65537, 2048).public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return signed_by_hand({"alg": "HS256", "typ": "JWT"}, claims(token), pem)


def signed_with_rsa(token: str) -> str:
    return jwt.encode(claims(token), rsa.generate_private_key(65537, 2048), "RS256")


def in_a_century() -> float:
    return (datetime.now(UTC) + timedelta(days=36_500)).timestamp()


FORGERIES: dict[str, Callable[[str], str]] = {
    "no algorithm": lambda token: f"{part({'alg': 'none'})}.{part(claims(token))}.",
    "no algorithm in capitals": lambda token: f"{part({'alg': 'NONE'})}.{part(claims(token))}.",
    "no algorithm and the old signature": lambda token: ".".join(
        [part({"alg": "none"}), token.split(".")[1], token.split(".")[2]]
    ),
    "a public key as the secret": with_a_public_key_as_secret,
    "an RSA signature": signed_with_rsa,
    "RS256 in the header and our secret": lambda token: signed_by_hand(
        {"alg": "RS256", "typ": "JWT"}, claims(token), SECRET.encode()
    ),
    "another hash": lambda token: jwt.encode(claims(token), SECRET * 2, "HS512"),
    "its own key in the header": lambda token: signed_by_hand(
        {"alg": "HS256", "jwk": {"kty": "oct", "k": "AAAA"}}, claims(token), b"\0\0\0"
    ),
    "a key from elsewhere": lambda token: signed_by_hand(
        {"alg": "HS256", "kid": "/dev/null", "jku": "https://example.org"}, claims(token), b""
    ),
    "no end": lambda token: jwt.encode(claims(token, exp=None), SECRET, "HS256"),
    "an end in a century, signed by another": lambda token: jwt.encode(
        claims(token, exp=in_a_century()), OTHER_SECRET, "HS256"
    ),
    "another user, signed by another": lambda token: jwt.encode(
        claims(token, sub=str(uuid4()), role="admin"), OTHER_SECRET, "HS256"
    ),
    "another user under the old signature": lambda token: ".".join(
        [token.split(".")[0], part(claims(token, role="admin")), token.split(".")[2]]
    ),
    "not given yet": lambda token: jwt.encode(claims(token, iat=in_a_century()), SECRET, "HS256"),
    "the other network": lambda token: jwt.encode(
        claims(token, iss="airlock-response", aud="airlock-response"), SECRET, "HS256"
    ),
    "the other network's name for us": lambda token: jwt.encode(claims(token, aud="airlock-response"), SECRET, "HS256"),
    "five kilobytes": lambda token: token + "A" * 5000,
    "a user id that is none": lambda token: jwt.encode(claims(token, sub="1 OR 1=1"), SECRET, "HS256"),
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
async def test_a_forged_token_lets_nobody_in(door: Door, good: str, forge: Callable[[str], str]) -> None:
    assert await door.reason(good) == ""
    assert await door.reason(forge(good)) == "TOKEN_INVALID"


async def test_the_other_networks_own_token_is_refused(door: Door, sara: Account) -> None:
    there = TokenIssuer(network="response", secret=SECRET, lifetime=timedelta(hours=1))
    assert await door.reason(there.issue(sara, uuid4(), datetime.now(UTC)).text) == "TOKEN_INVALID"


async def test_a_refresh_token_is_no_access_token(door: Door, auth: AuthContext) -> None:
    pair = await sign_in(auth, username="sara", password=PASSWORD, caller=CALLER)
    assert await door.reason(pair.refresh_token) == "TOKEN_INVALID"


async def test_a_replayed_refresh_token_ends_the_session_at_the_door(door: Door, auth: AuthContext) -> None:
    login = pb.LoginRequest(username="sara", password=PASSWORD)
    first = (await door.stub.Login(login)).tokens
    second = (await door.stub.RefreshToken(pb.RefreshTokenRequest(refresh_token=first.refresh_token))).tokens
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await door.stub.RefreshToken(pb.RefreshTokenRequest(refresh_token=first.refresh_token))
    assert reason_of(refused.value) == "SESSION_ENDED"
    await auth.revocations.refresh()
    assert await door.reason(second.access_token) == "SESSION_ENDED"


async def test_a_token_from_before_a_change_is_told_to_be_refreshed(
    door: Door, auth: AuthContext, good: str, sara: Account
) -> None:
    async with auth.database.transaction() as transaction:
        await note_changed_claims(transaction.connection, [sara.user_id], at=datetime.now(UTC))
    await auth.revocations.refresh()
    assert await door.reason(good) == "TOKEN_EXPIRED"


async def test_a_token_of_a_mebibyte_is_refused_and_the_server_goes_on(door: Door, good: str) -> None:
    assert await door.reason("A" * 2**20) not in {"", "UNKNOWN", "INTERNAL"}
    assert await door.reason(good) == ""


@pytest.mark.parametrize(
    "value", [b"Bearer \xff\xfe\x80", b"Bearer \xc0\xae\xc0\xae", b"\x80", "Bearer é.é.é".encode()]
)
async def test_header_bytes_that_are_no_text_are_refused_and_the_server_goes_on(
    door: Door, good: str, value: bytes
) -> None:
    answer = await _call_by_hand(door.path, GET_CALLER, {b"authorization": value})
    # 16 is UNAUTHENTICATED; no answer at all would be a connection that was cut for it.
    assert b"grpc-status" in answer
    assert await door.reason(good) == ""


async def _call_by_hand(path: Path, method: str, headers: dict[bytes, bytes]) -> bytes:
    """One call in raw HTTP/2 frames, since gRPC's own client sends nothing but ASCII; everything that came back."""
    fixed = {
        b":method": b"POST",
        b":scheme": b"http",
        b":path": method.encode(),
        b":authority": b"localhost",
        b"te": b"trailers",
        b"content-type": b"application/grpc",
    }
    # Literal fields without indexing and without Huffman's code (RFC 7541, 6.2.2).
    block = b"".join(
        b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value for name, value in (fixed | headers).items()
    )
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(4, 0, 0, b""))
    writer.write(_frame(1, 4, 1, block) + _frame(0, 1, 1, b"\0\0\0\0\0"))
    received = b""
    async with asyncio.timeout(30):
        while not _has_ended(received):
            piece = await reader.read(65_536)
            if not piece:
                break
            received += piece
    writer.close()
    return received


def _frame(kind: int, flags: int, stream: int, content: bytes) -> bytes:
    return struct.pack(">I", len(content))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + content


def _has_ended(received: bytes) -> bool:
    """Whether a frame ended stream 1: END_STREAM on headers or data, or a reset."""
    at = 0
    while at + 9 <= len(received):
        length = int.from_bytes(received[at : at + 3])
        kind, flags, stream = received[at + 3], received[at + 4], int.from_bytes(received[at + 5 : at + 9])
        if at + 9 + length > len(received):
            return False
        if stream == 1 and (kind == 3 or (kind in {0, 1} and flags & 1)):
            return True
        at += 9 + length
    return False
