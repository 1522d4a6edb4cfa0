"""Guessing passwords: attempts are counted before the password is looked at, for all processes together."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from common.audit.tables import audit_logs
from common.auth.clean_up import forget_sign_ins
from common.auth.passwords import PasswordHasher
from common.auth.sign_in import sign_in
from common.auth.tables import sign_in_attempts
from common.database.transaction import Database
from common.errors import CredentialsWrongError, RateLimitedError
from common.policy.policy import Policy
from tests.integration.common.accounts import CALLER, PASSWORD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from common.auth.context import AuthContext

START = datetime(2026, 3, 1, 8, tzinfo=UTC)


class CountingHasher(PasswordHasher):
    """Counts how often a password is looked at."""

    looks = 0

    async def verify(self, stored: str | None, password: str) -> bool:
        self.looks += 1
        return await super().verify(stored, password)


@dataclass
class Guesser:
    """Signs in from somewhere, at a moment that stands still until it is moved."""

    auth: AuthContext
    hasher: CountingHasher
    at: datetime = START

    async def sign_in(self, username: str, password: str = "guess", address: str | None = "192.0.2.7") -> str:
        """What became of it: `in`, `wrong`, or the seconds to wait."""
        auth = replace(self.auth, clock=lambda: self.at, hasher=self.hasher)
        try:
            await sign_in(auth, username=username, password=password, caller=replace(CALLER, address=address))
        except CredentialsWrongError:
            return "wrong"
        except RateLimitedError as refusal:
            return f"{refusal.retry_after_seconds or 0:g} s"
        return "in"

    def later(self, **passed: float) -> None:
        self.at += timedelta(**passed)


@pytest.fixture
def guesser(auth: AuthContext) -> Iterator[Guesser]:
    hasher = CountingHasher(time_cost=1, memory_kib=8, parallelism=1, threads=2)
    yield Guesser(auth, hasher)
    hasher.close()


@pytest.mark.parametrize("username", ["sara", "nobody"])
async def test_after_five_attempts_each_waits_twice_as_long_whether_there_is_such_a_user_or_not(
    guesser: Guesser, username: str
) -> None:
    assert [await guesser.sign_in(username) for _ in range(5)] == ["wrong"] * 5
    for delay in (1, 2, 4):
        assert await guesser.sign_in(username) == f"{delay} s"
        guesser.later(seconds=delay - 0.25)
        assert await guesser.sign_in(username) == "0.25 s"
        guesser.later(seconds=0.25)
        assert await guesser.sign_in(username) == "wrong"


async def test_while_the_name_is_blocked_the_right_password_is_not_looked_at(guesser: Guesser) -> None:
    for _ in range(5):
        await guesser.sign_in("sara")
    looks = guesser.hasher.looks
    assert await guesser.sign_in("sara", PASSWORD) == "1 s"
    assert await guesser.sign_in("nobody-at-all") == "wrong"
    assert guesser.hasher.looks == looks + 1
    guesser.later(seconds=1)
    assert await guesser.sign_in("sara", PASSWORD) == "in"


async def test_of_a_hundred_guesses_at_once_in_two_processes_five_are_looked_at(
    guesser: Guesser, database_url: str
) -> None:
    elsewhere = Database(database_url)
    other = Guesser(replace(guesser.auth, database=elsewhere), guesser.hasher)
    outcomes = Counter(
        await asyncio.gather(*((guesser, other)[n % 2].sign_in("sara", f"guess {n}") for n in range(100)))
    )
    await elsewhere.close()
    assert outcomes == {"wrong": 5, "1 s": 95}
    assert guesser.hasher.looks == 5


async def test_a_sign_in_clears_the_count_of_the_name(guesser: Guesser) -> None:
    for _ in range(4):
        await guesser.sign_in("sara")
    assert await guesser.sign_in("sara", PASSWORD) == "in"
    assert [await guesser.sign_in("sara") for _ in range(6)] == ["wrong"] * 5 + ["1 s"]


async def test_one_address_cannot_try_one_password_with_many_names(guesser: Guesser) -> None:
    outcomes = [await guesser.sign_in(f"name{n}") for n in range(51)]
    assert outcomes == ["wrong"] * 50 + ["1 s"]
    assert await guesser.sign_in("name0", address="192.0.2.8") == "wrong"


async def test_a_sign_in_of_ones_own_does_not_clear_the_count_of_the_address(guesser: Guesser) -> None:
    for n in range(49):
        await guesser.sign_in(f"name{n}")
    assert await guesser.sign_in("sara", PASSWORD) == "in"
    assert [await guesser.sign_in(f"other{n}") for n in range(2)] == ["wrong", "1 s"]


async def test_honest_sign_ins_from_one_address_are_never_too_many(guesser: Guesser) -> None:
    assert {await guesser.sign_in("sara", PASSWORD) for _ in range(60)} == {"in"}


async def test_the_limits_are_those_that_the_admin_has_set(guesser: Guesser) -> None:
    settings: Any = {"sign_in.free_attempts_per_name": 2, "sign_in.first_delay_seconds": 7}
    guesser.auth.policy.current = Policy(settings)
    assert [await guesser.sign_in("sara") for _ in range(3)] == ["wrong", "wrong", "7 s"]


async def test_names_that_look_alike_are_counted_as_one(guesser: Guesser) -> None:
    full_width = "".join(chr(ord(letter) + 0xFEE0) for letter in "Sara")
    for username in ("sara", "SARA", full_width, "sara", "Sara"):
        await guesser.sign_in(username)
    assert await guesser.sign_in(full_width, PASSWORD) == "1 s"
    guesser.later(seconds=1)
    assert await guesser.sign_in(full_width, PASSWORD) == "in"


async def test_each_block_is_in_the_trail_once_with_the_name(guesser: Guesser) -> None:
    for _ in range(9):
        await guesser.sign_in("sara")
    async with guesser.auth.database.transaction() as transaction:
        rows = (await transaction.connection.execute(select(audit_logs).order_by(audit_logs.c.id))).all()
    assert [row.action for row in rows][-2:] == ["auth.attempts_throttled", "auth.sign_in_refused"]
    assert (len(rows), rows[-2].metadata["username"], rows[-2].metadata["seconds"]) == (6, "sara", 1)
    assert str(rows[-2].ip_address) == "192.0.2.7"


async def test_counts_that_are_over_are_cleaned_up_and_no_name_is_kept(guesser: Guesser) -> None:
    await guesser.sign_in("my password in the wrong field")
    async with guesser.auth.database.transaction() as transaction:
        rows = (await transaction.connection.execute(select(sign_in_attempts))).all()
    assert {len(row.subject_hash) for row in rows} == {32}
    context = replace(guesser.auth, clock=lambda: guesser.at)
    assert (await forget_sign_ins(context))["sign_in_attempts"] == 0
    guesser.later(minutes=15)
    assert (await forget_sign_ins(context))["sign_in_attempts"] == 2
