"""API keys as texts: what is one, what is refused without a look-up, and what its scopes allow."""

from __future__ import annotations

import hashlib

import pytest
from airlock.common.v1 import permission_pb2
from hypothesis import given
from hypothesis import strategies as st

from common.auth.api_keys import api_key_hash, is_api_key, new_api_key
from common.auth.permissions import ROLE_PERMISSIONS, permissions_of
from common.auth.scopes import SCOPES, check_scopes, permissions_within, scopes_of
from common.errors import InvalidFieldError, TokenInvalidError


def test_a_new_key_has_the_documented_form_and_is_kept_by_the_hash_of_all_of_it() -> None:
    key = new_api_key()
    mark, prefix, rest = key.text.split("_", 2)
    assert (mark, len(prefix), len(rest), len(key.text)) == ("ak", 8, 43 + 1 + 6, 62)
    assert key.prefix == f"ak_{prefix}"
    assert is_api_key(key.text)
    assert api_key_hash(key.text) == hashlib.sha256(key.text.encode()).digest()


def test_no_two_keys_are_alike() -> None:
    assert len({new_api_key().text for _ in range(1000)}) == 1000


@pytest.mark.parametrize("at", range(62))
def test_one_other_character_anywhere_is_refused_without_a_look_up(at: int) -> None:
    text = new_api_key().text
    for other in "aB3_-":
        if other != text[at]:
            with pytest.raises(TokenInvalidError):
                api_key_hash(text[:at] + other + text[at + 1 :])


@given(st.text(max_size=200))
def test_no_other_text_is_taken_for_a_key(text: str) -> None:
    with pytest.raises(TokenInvalidError):
        api_key_hash(f"ak_{text}")


@pytest.mark.parametrize("change", ["{}\n", " {}", "{}{}", "{}\u0661", "\ufeff{}"])
def test_a_key_with_something_around_it_is_refused(change: str) -> None:
    with pytest.raises(TokenInvalidError):
        api_key_hash(change.replace("{}", new_api_key().text))


def test_scopes_are_permissions_by_their_small_names() -> None:
    assert SCOPES["submit_request"] == permission_pb2.PERMISSION_SUBMIT_REQUEST
    assert not {"unspecified", "public", "signed_in", "manage_users", "manage_api_keys"} & SCOPES.keys()


@pytest.mark.parametrize("role", list(ROLE_PERMISSIONS))
def test_no_key_may_do_more_than_its_users_role(role: str) -> None:
    assert permissions_within(SCOPES, role) <= permissions_of(role)
    assert permissions_within(scopes_of(role), role) == permissions_of(role) & frozenset(SCOPES.values())


def test_a_role_that_lost_a_permission_takes_it_from_its_keys() -> None:
    scopes = check_scopes(["transfer", "read_request"], "operator")
    assert permissions_within(scopes, "user") == {permission_pb2.PERMISSION_READ_REQUEST}
    assert permissions_within(scopes, "unheard_of") == frozenset()


@pytest.mark.parametrize(
    "scope", ["operate", "signed_in", "manage_api_keys", "TRANSFER", "permission_transfer", "' OR 1"]
)
def test_a_scope_that_the_role_does_not_have_is_refused_with_those_that_it_has(scope: str) -> None:
    with pytest.raises(InvalidFieldError, match="submit_request, read_request"):
        check_scopes(["read_request", scope], "user")


def test_a_scope_of_a_later_version_allows_nothing() -> None:
    assert permissions_within(["teleport"], "admin") == frozenset()
