"""A connection to a service: address, TLS, sign-in, and its refusals as our errors. Commands say what is called."""

from __future__ import annotations

import contextlib
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

import grpc
from airlock.auth.v1.auth_service_pb2 import LoginRequest
from airlock.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from cryptography import x509
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from transfer.cli.errors import AccessDeniedError, FileUnusableError, ServerRefusedError, ServerUnreachableError
from transfer.cli.output import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Metadata = tuple[tuple[str, str | bytes], ...]

CALL_SECONDS: Final = 30.0
# For one bundle of up to 1 GiB over a slow line; a dead peer is noticed far earlier by the keepalive below.
STREAM_SECONDS: Final = 6 * 3600.0

_CHANNEL_OPTIONS: Final = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.enable_retries", 0),
)
_UNREACHABLE = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED})
_DENIED = frozenset({grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED})
_ITS_CHECK = "Run the service's `check` on its machine, which says what is away; then the same command again."
_STATUS_KEY = "grpc-status-details-bin"
_MAX_MESSAGE = 2000
_MAX_AUTHORITIES = 4 * 1024 * 1024
# What the caller can do about a refusal; of other refusals the server's log knows more.
_NEXT_STEPS: Final = {
    "INVALID_FIELD": "Correct what was given; `transfer COMMAND --help` shows its form.",
    "NOT_FOUND": "`transfer status`, `transfer quarantine list` and `transfer keys show` name what there is.",
    "WRONG_STATE": "`transfer status` shows where both streams stand.",
    "CREDENTIALS_WRONG": "Check the name and the password.",
    "CREDENTIALS_MISSING": "Set --username NAME or --token-file FILE.",
    "TOKEN_EXPIRED": "Take a fresh token, or sign in with --username.",
    "TOKEN_INVALID": "Take a fresh token, or sign in with --username.",
    "SESSION_ENDED": "Sign in anew.",
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """How the caller is known: a token, or a name and password from which a token is made at the first call."""

    token: str | None = None
    username: str | None = None
    password: str | None = None


def open_channel(address: str, ca_file: Path | None) -> grpc.Channel:
    """A channel to `host:port` over TLS, by the system's authorities or `ca_file`, or to `unix:PATH` without TLS.

    Raises FileUnusableError for a `ca_file` that holds no certificate.
    """
    if address.startswith("unix:"):
        return grpc.insecure_channel(address, options=_CHANNEL_OPTIONS)
    roots = _authorities(ca_file) if ca_file is not None else None
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(roots), options=_CHANNEL_OPTIONS)


def _authorities(ca_file: Path) -> bytes:
    with ca_file.open("rb") as file:
        data = file.read(_MAX_AUTHORITIES)
    try:
        with warnings.catch_warnings(action="ignore"):
            # Some authorities of a system's list are of an age that the library is about to refuse.
            x509.load_pem_x509_certificates(data)
    except ValueError:
        msg = f"{ca_file} holds no certificate in PEM."
        raise FileUnusableError(
            msg, next_step="Name the authority of the server's certificate with --ca FILE."
        ) from None
    return data


def authorization(channel: grpc.Channel, credentials: Credentials, address: str) -> tuple[tuple[str, str], ...]:
    """The metadata that names the caller; signs in first if a name and password are given."""
    token = credentials.token
    if token is None:
        request = LoginRequest(username=credentials.username or "", password=credentials.password or "")
        with refusals(address):
            reply = AuthServiceStub(channel).Login(request, timeout=CALL_SECONDS, wait_for_ready=False)
        token = reply.tokens.access_token
    return (("authorization", f"Bearer {token}"),)


@contextlib.contextmanager
def refusals(address: str) -> Iterator[None]:
    """Turns the status of a failed call into one of our errors."""
    try:
        yield
    except grpc.RpcError as error:
        raise _translated(error, address) from error


def _translated(error: grpc.RpcError, address: str) -> ServerUnreachableError | AccessDeniedError | ServerRefusedError:
    code, details = error.code(), (error.details() or "")[:_MAX_MESSAGE]
    reason, request_id = _details(error)
    if code in _UNREACHABLE:
        cause = printable(details.rsplit("last error: ")[-1].removeprefix("UNKNOWN: ").rstrip(".") or code.name)
        if reason:
            return ServerUnreachableError(f"{address} cannot answer now: {cause}.", next_step=_ITS_CHECK)
        return ServerUnreachableError(f"{address} does not answer: {cause}.", next_step=_tls_hint(cause))
    said = f"{details.rstrip('.') or code.name}" + (f" ({reason})" if reason else "")
    if code in _DENIED:
        return AccessDeniedError(f"{address} refuses access: {said}.", next_step=_NEXT_STEPS.get(reason))
    where = f"The server's log has more under request id {request_id}." if request_id else None
    return ServerRefusedError(f"{address} refuses: {said}.", next_step=_NEXT_STEPS.get(reason, where))


def _tls_hint(cause: str) -> str | None:
    """What to do when TLS is the obstacle; None when it is not."""
    if "WRONG_VERSION_NUMBER" in cause:
        return "This port does not speak TLS: name the TLS port of the service."
    if "CERTIFICATE" in cause.upper() or "SSL_ERROR" in cause:
        return "Name the authority of the server's certificate with --ca FILE, and the host as the certificate does."
    if "Handshake" in cause:
        # It hung up before it said anything: a port without TLS does so as well as a service that is just stopping.
        return "Try again; if that is no better, this port does not speak TLS: name the TLS port of the service."
    return None


def _details(error: grpc.RpcError) -> tuple[str, str]:
    """Reason and request id from the `google.rpc.Status` in the trailing metadata; empty where there is none."""
    info, request = error_details_pb2.ErrorInfo(), error_details_pb2.RequestInfo()
    for key, value in cast("Metadata", error.trailing_metadata() or ()):
        if key != _STATUS_KEY or not isinstance(value, bytes):
            continue
        # Details that cannot be read say nothing; the status code says enough.
        with contextlib.suppress(DecodeError):
            for detail in status_pb2.Status.FromString(value).details:
                detail.Unpack(info) or detail.Unpack(request)
    return printable(info.reason), printable(request.request_id)
