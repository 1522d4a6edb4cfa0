"""Argon2id hashes of passwords, computed in a few threads so that neither the event loop nor the memory is overrun."""

from __future__ import annotations

import asyncio
import base64
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Self, TypeVar, TypeVarTuple, Unpack

import argon2
import structlog
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import ARGON2_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from common.settings import NetworkSettings

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")

log = structlog.get_logger("common.auth")


class PasswordHasher:
    """Hashes and verifies. Each hash takes `memory_kib` while it runs, so `threads` bounds the memory."""

    def __init__(self, *, time_cost: int, memory_kib: int, parallelism: int, threads: int) -> None:
        self._argon2 = argon2.PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=parallelism)
        self._threads = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="argon2")
        self._nobodys_hash = _nobodys_hash(self._argon2)

    @classmethod
    def from_settings(cls, settings: NetworkSettings) -> Self:
        """The hasher that the ARGON2_* settings describe."""
        return cls(
            time_cost=settings.argon2_time_cost,
            memory_kib=settings.argon2_memory_kib,
            parallelism=settings.argon2_parallelism,
            threads=settings.argon2_threads,
        )

    @classmethod
    def cheapest(cls) -> Self:
        """The least work that Argon2 allows. For tests and the sandbox; it protects nothing."""
        return cls(time_cost=1, memory_kib=8, parallelism=1, threads=2)

    async def hash(self, password: str) -> str:
        """The PHC string of `password` under a fresh salt."""
        return await self._in_thread(self._argon2.hash, password)

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether `password` fits `stored`. None (no such account) takes as long as a wrong password and is False."""
        return await self._in_thread(self._verify, stored, password)

    def needs_rehash(self, stored: str) -> bool:
        """Whether `stored` was made with other parameters than today's."""
        return self._argon2.check_needs_rehash(stored)

    def close(self) -> None:
        """Ends the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _verify(self, stored: str | None, password: str) -> bool:
        try:
            self._argon2.verify(stored if stored is not None else self._nobodys_hash, password)
        except InvalidHashError:
            # The hash itself stays out of the log.
            log.exception("stored_password_hash_malformed")
            return False
        except VerificationError:
            return False
        return stored is not None

    async def _in_thread(self, function: Callable[[Unpack[Arguments]], Result], *args: *Arguments) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *args)


def _nobodys_hash(hasher: argon2.PasswordHasher) -> str:
    """A hash in today's form that was never computed: no password fits it, and checking one takes as long as ever."""
    salt, digest = (
        base64.b64encode(secrets.token_bytes(length)).decode().rstrip("=")
        for length in (hasher.salt_len, hasher.hash_len)
    )
    costs = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v={ARGON2_VERSION}${costs}${salt}${digest}"
