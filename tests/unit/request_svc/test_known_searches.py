"""What a process remembers of permitted searches: bounded, and never longer than the policy that permitted them."""

from __future__ import annotations

from common.policy.policy import Policy
from request_svc.domain.known_searches import MAX_BODY, MAX_KNOWN, Key, KnownSearches, PermittedSearch

POLICY = Policy()
SEARCH = PermittedSearch(b"", "match_all", {})


def key(body: bytes, index: str = "cities", profile_type: str = "basic", *, pasted: bool = True) -> Key:
    return (index, profile_type, pasted, body)


def filled(count: int) -> KnownSearches:
    known = KnownSearches()
    known.find(POLICY, key(b""))
    for number in range(count):
        known.keep(POLICY, key(str(number).encode()), SEARCH)
    return known


def test_the_same_bytes_are_known_of_the_same_index_and_profile_type_only() -> None:
    known = filled(1)
    assert known.find(POLICY, key(b"0")) is SEARCH
    for other in (key(b"1"), key(b"0", "flights"), key(b"0", "cities", "premium"), key(b"0", pasted=False)):
        assert known.find(POLICY, other) is None


def test_all_is_forgotten_with_the_policy() -> None:
    known = filled(1)
    assert known.find(Policy(), key(b"0")) is None
    assert known.find(POLICY, key(b"0")) is None


def test_what_was_permitted_by_another_policy_is_not_kept() -> None:
    known = filled(0)
    known.keep(Policy(), key(b"0"), SEARCH)
    assert known.find(POLICY, key(b"0")) is None


def test_what_was_not_asked_for_longest_makes_room() -> None:
    known = filled(MAX_KNOWN)
    known.find(POLICY, key(b"0"))
    known.keep(POLICY, key(b"one more"), SEARCH)
    assert known.find(POLICY, key(b"0")) is SEARCH
    assert known.find(POLICY, key(b"1")) is None


def test_a_large_body_is_not_kept() -> None:
    known = filled(0)
    for length, kept in ((MAX_BODY, True), (MAX_BODY + 1, False)):
        known.keep(POLICY, key(b"x" * length), SEARCH)
        assert (known.find(POLICY, key(b"x" * length)) is SEARCH) is kept
