"""In which headers a caller may name himself."""

from __future__ import annotations

from typing import Any

import pytest

from common.auth.api_keys import api_key_hash
from common.errors import CredentialsMissingError, TokenInvalidError
from common.rpc.interceptors.sign_in import credential_of


class Call:
    """As much of a call's context as is looked at."""

    def __init__(self, *metadata: tuple[str, str | bytes]) -> None:
        self._metadata = metadata

    def invocation_metadata(self) -> Any:
        return self._metadata


@pytest.mark.parametrize(
    "metadata",
    [
        [("authorization", "Bearer ak_x")],
        [("authorization", "bearer   ak_x  ")],
        [("x-api-key", " ak_x ")],
        [("x-api-key", "ak_x"), ("x-api-key", "ak_x")],
        [("user-agent", "ak_y"), ("x-api-key", "ak_x")],
    ],
)
def test_either_header_names_the_caller(metadata: Any) -> None:
    assert credential_of(Call(*metadata)) == "ak_x"  # type: ignore[arg-type] # As much of it as is looked at.


@pytest.mark.parametrize(
    "metadata",
    [
        [("authorization", "Bearer ak_x"), ("x-api-key", "ak_x")],
        [("authorization", "Bearer ak_x"), ("authorization", "Bearer ak_y")],
        [("authorization", "Basic c2FyYTpwdw=="), ("x-api-key", "ak_x")],
        [("x-api-key", "ak_x"), ("x-api-key", "ak_y")],
        [("x-api-key", "")],
        [("x-api-key", "Bearer ak_x")],
        [("x-api-key", "eyJhbGciOiJub25lIn0.e30.")],
        [("authorization", "ak_x")],
        [("authorization", "Bearer")],
    ],
)
def test_two_callers_or_another_form_are_refused(metadata: Any) -> None:
    with pytest.raises(TokenInvalidError):
        credential_of(Call(*metadata))  # type: ignore[arg-type] # As much of it as is looked at.


@pytest.mark.parametrize("metadata", [[], [("user-agent", "ak_x")], [("x-api-key-bin", b"ak_x")]])
def test_nobody_is_named_elsewhere(metadata: Any) -> None:
    with pytest.raises(CredentialsMissingError):
        credential_of(Call(*metadata))  # type: ignore[arg-type] # As much of it as is looked at.


@pytest.mark.parametrize("raw", [b"ak_\xff\xfe", b"ak_" + "é".encode("latin-1") * 59, b"ak_abcdefgh_\x00"])
def test_bytes_that_are_no_text_are_no_key(raw: bytes) -> None:
    # gRPC hands such bytes over with U+FFFD in their place.
    credential = credential_of(Call(("x-api-key", raw.decode(errors="replace"))))  # type: ignore[arg-type] # See above.
    with pytest.raises(TokenInvalidError):
        api_key_hash(credential)
