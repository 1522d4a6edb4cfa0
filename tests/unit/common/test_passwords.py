"""Passwords are kept as Argon2id hashes, and an unknown name costs as much as a wrong password."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from common.auth.passwords import PasswordHasher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest_asyncio.fixture
async def hasher() -> AsyncIterator[PasswordHasher]:
    made = PasswordHasher.cheapest()
    yield made
    made.close()


async def test_the_right_password_fits_and_no_other(hasher: PasswordHasher) -> None:
    stored = await hasher.hash("رمز عبور بلند")
    assert stored.startswith("$argon2id$")
    assert await hasher.verify(stored, "رمز عبور بلند")
    assert not await hasher.verify(stored, "رمز عبور")


async def test_nobody_has_the_password_that_stands_in_for_unknown_names(hasher: PasswordHasher) -> None:
    for password in ("nobody has this password", "", "x" * 1024):
        assert not await hasher.verify(None, password)


async def test_an_unknown_name_is_really_hashed(hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch) -> None:
    import argon2

    seen: list[str] = []
    true_verify = argon2.PasswordHasher.verify

    def verify(self: argon2.PasswordHasher, stored: str, password: str) -> bool:
        seen.append(stored)
        return true_verify(self, stored, password)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", verify)
    monkeypatch.setattr(argon2.PasswordHasher, "hash", None)
    # The first unknown name costs no more than any other.
    for _ in range(2):
        await hasher.verify(None, "x")
    assert len(seen) == 2
    assert seen[0].startswith("$argon2id$")
    assert not hasher.needs_rehash(seen[0])


async def test_equal_passwords_have_different_hashes(hasher: PasswordHasher) -> None:
    first, second = await asyncio.gather(hasher.hash("same"), hasher.hash("same"))
    assert first != second


@pytest.mark.parametrize("stored", ["", "x", "$argon2id$broken", "plain text"])
async def test_a_malformed_hash_lets_nobody_in(hasher: PasswordHasher, stored: str) -> None:
    assert not await hasher.verify(stored, stored)


async def test_a_hash_of_other_costs_is_told_apart_and_still_fits(hasher: PasswordHasher) -> None:
    dearer = PasswordHasher(time_cost=2, memory_kib=64, parallelism=1, threads=1)
    stored = await dearer.hash("x")
    assert hasher.needs_rehash(stored)
    assert not dearer.needs_rehash(stored)
    assert await hasher.verify(stored, "x")
    dearer.close()
