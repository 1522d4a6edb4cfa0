"""What a check of one part is, and the checks that both services need: database, Redis, folders and their disks."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import redis.asyncio
from sqlalchemy import text
from sqlalchemy.exc import InterfaceError, OperationalError, ProgrammingError, SQLAlchemyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from common.database.transaction import Database
    from common.settings import NetworkSettings

TIMEOUT_SECONDS: Final = 2.0
LEAST_FREE_BYTES: Final = 256 * 1024 * 1024
"""Less than this on a disk of bundles is unhealthy: one import needs room for several bundles of 64 MiB."""


class HealthError(Exception):
    """A part does not work. The text names the cause and the next step, and holds no secret."""


class Check(Protocol):
    """Looks at one part."""

    @property
    def name(self) -> str:
        """The part, as health calls name it: postgresql, redis, export_dir and so on."""
        ...

    @property
    def needed(self) -> bool:
        """Whether the service is not ready without it."""
        ...

    async def __call__(self) -> str:
        """What was seen, for people. Raises HealthError."""
        ...


@dataclass(frozen=True, slots=True)
class PartState:
    """One part as it was seen."""

    name: str
    healthy: bool
    needed: bool
    detail: str
    latency_ms: float


async def look_at(check: Check) -> PartState:
    """Runs one check, at most TIMEOUT_SECONDS; whatever it raises is a finding."""
    started = time.perf_counter()
    healthy = False
    try:
        detail = await asyncio.wait_for(check(), TIMEOUT_SECONDS)
        healthy = True
    except HealthError as error:
        detail = str(error)
    except ProgrammingError:
        detail = "Its tables are missing or old. Run `migrate`."
    except (OperationalError, InterfaceError) as error:
        detail = f"The database does not answer ({type(error).__name__}). Start it, or correct DATABASE_URL."
    except TimeoutError:
        detail = f"No answer within {TIMEOUT_SECONDS:g} s."
    except Exception as error:  # noqa: BLE001 - a driver's text may hold an address or a name; its kind is enough.
        detail = f"Failed with {type(error).__name__}; the log of that part says more."
    return PartState(check.name, healthy, check.needed, detail, (time.perf_counter() - started) * 1000)


async def look_at_all(checks: Iterable[Check]) -> list[PartState]:
    """Runs all checks side by side, in their order."""
    return list(await asyncio.gather(*(look_at(check) for check in checks)))


@dataclass(frozen=True, slots=True)
class PostgresCheck:
    """The database answers a query."""

    database: Database
    name: str = "postgresql"
    needed: bool = True

    async def __call__(self) -> str:
        """The server's version."""
        try:
            async with self.database.engine.connect() as connection:
                version = await connection.scalar(text("SHOW server_version"))
        except (SQLAlchemyError, OSError) as error:
            raise HealthError(
                f"The database does not answer ({type(error).__name__}). Start it, or correct DATABASE_URL."
            ) from None
        return f"PostgreSQL {version}"


@dataclass(frozen=True, slots=True)
class RedisCheck:
    """Redis answers. Without it jobs are not woken and nothing is cached; no request is lost, so it is not needed."""

    url: str
    name: str = "redis"
    needed: bool = False

    async def __call__(self) -> str:
        """The server's version, and what it drops once its memory is full."""
        client = redis.asyncio.Redis.from_url(self.url, socket_connect_timeout=TIMEOUT_SECONDS)
        try:
            information = await client.info("server") | await client.info("memory")
        except redis.RedisError as error:
            raise HealthError(
                f"Redis does not answer ({type(error).__name__}). Start it, or correct REDIS_URL."
            ) from None
        finally:
            await client.aclose()
        name = information.get("server_name", "redis")
        return (
            f"{name} {information.get(f'{name}_version', information.get('redis_version'))}, {_eviction(information)}"
        )


def _eviction(memory: Mapping[str, Any]) -> str:
    """What Redis does when it is full. Raises HealthError where that would cost wake-ups of jobs."""
    most, policy = int(memory.get("maxmemory", 0)), str(memory.get("maxmemory_policy", ""))
    if not most:
        return "without a limit of memory"
    if policy.startswith("allkeys"):
        raise HealthError(
            f"Redis drops what wakes jobs when its memory is full ({policy}). Set its maxmemory-policy to volatile-lru."
        )
    return f"up to {most // 2**20} MiB, {policy}"


@dataclass(frozen=True, slots=True)
class FolderCheck:
    """A folder of bundles is there, can be written, and its disk has room."""

    name: str
    path: Path
    needed: bool = True

    async def __call__(self) -> str:
        """The free room."""
        return await asyncio.to_thread(self._look)

    def _look(self) -> str:
        if not self.path.is_dir():
            raise HealthError(f"There is no folder {self.path}. Run `migrate`, or correct {self.name.upper()}.")
        if not os.access(self.path, os.R_OK | os.W_OK | os.X_OK):
            raise HealthError(f"{self.path} cannot be read and written. Give it to the user that runs the service.")
        free = shutil.disk_usage(self.path).free
        if free < LEAST_FREE_BYTES:
            raise HealthError(
                f"Only {free // 2**20} MiB are free at {self.path}. Free some; nothing is lost meanwhile."
            )
        return f"{self.path}: {free / 2**30:.1f} GiB free"


def standard_checks(settings: NetworkSettings, database: Database) -> list[Check]:
    """The parts that both services have."""
    return [
        PostgresCheck(database),
        RedisCheck(settings.redis_url.get_secret_value()),
        FolderCheck("export_dir", settings.export_dir),
        FolderCheck("import_dir", settings.import_dir),
    ]
