"""One network of a rehearsal: its service in this process, which can be killed, started again and set back in time."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from psycopg import sql
from psycopg.errors import ObjectInUse
from sqlalchemy import text

from common.errors import StreamStoppedError, UnavailableError
from common.rpc.caller import current_caller
from request_svc.app import build_app as build_request_app
from request_svc.settings import RequestSettings
from response_svc.app import build_app as build_response_app
from response_svc.search.factory import make_engine
from response_svc.settings import ResponseSettings
from response_svc.usecases.change_indices import allow_index
from response_svc.usecases.engine_gate import EngineGate
from sandbox.migrated import SERVICE
from sandbox.rehearsal.ailments import AilingEngine, Ailments
from sandbox.rehearsal.faults import Faults, KilledError, MovedClock
from sandbox.waiting import wait_until
from transfer.bundle.rotation import next_of
from transfer.bundle.signing import SigningKey
from transfer.bundle.verify import hash_file
from transfer.spool.inbox import ARCHIVE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from airlock.common.v1.network_pb2 import BundleKind
    from sqlalchemy import Row

    from common.batches.exchange import Exchange
    from common.settings import NetworkSettings
    from sandbox.rehearsal.servers import Servers

COPY_SECONDS = 20
# As short as can be, so that even a short history deletes what it sent.
KEEP_SENT_DAYS = 1
ALLOWED = "cities"
WORKER_COUNT = 2


@dataclass(frozen=True, slots=True)
class Backup:
    """A copy of a database, and when it was made."""

    database: str
    made_at: datetime


class Side:
    """A network. `app` is the service by its own composition root, with this rehearsal's clock and faults."""

    def __init__(
        self, name: str, servers: Servers, settings: NetworkSettings, database: str, clock: MovedClock
    ) -> None:
        self.name = name
        self.settings = settings
        self.clock = clock
        self.faults = Faults()
        self.app: Any = None
        # What ails the engine of the Response Network, where anything does.
        self.ailments: Ailments | None = None
        self.engine: Any = None
        # Another process of the same service, if there is one.
        self.beside: Side | None = None
        self._servers = servers
        self._database = database

    @property
    def exchange(self) -> Exchange:
        """Its exports and imports."""
        exchange: Exchange = self.app.exchange
        return exchange

    @property
    def export_dir(self) -> Path:
        """Its outbox."""
        return self.settings.export_dir

    @property
    def import_dir(self) -> Path:
        """Its inbox."""
        return self.settings.import_dir

    def signing_keys(self) -> list[SigningKey]:
        """Its present key, and the next one if there is one."""
        path = self.settings.signing_key_file
        return [SigningKey.load(one) for one in (path, next_of(path)) if one.exists()]

    async def start(self) -> None:
        """Starts the service's process."""
        if isinstance(self.settings, RequestSettings):
            self.app = await build_request_app(self.settings, moment=self.clock, steps=self.faults)
            return
        assert isinstance(self.settings, ResponseSettings)
        assert self.ailments is not None
        self.engine = AilingEngine(make_engine(self.settings), self.ailments)
        gate = EngineGate(
            self.engine, self.settings.worker_count, jitter=lambda: 0.5, monotonic=self._seconds, sleep=self._pause
        )
        self.app = await build_response_app(
            self.settings, moment=self.clock, steps=self.faults, engine=self.engine, gate=gate
        )

    def _seconds(self) -> float:
        return time.monotonic() + self.clock.moved.total_seconds()

    async def _pause(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))
        await asyncio.sleep(0)

    async def start_another(self) -> Side:
        """Starts one more process of the service."""
        self.beside = Side(self.name, self._servers, self.settings, self._database, self.clock)
        self.beside.ailments = self.ailments
        await self.beside.start()
        return self.beside

    async def stop(self) -> None:
        """Ends it."""
        if self.app is not None:
            app, self.app = self.app, None
            await app.close()

    async def run(self, job: Callable[[], Awaitable[object]]) -> str:
        """Runs a job as the scheduler would; what dies is started again. Returns what went wrong, if it did."""
        before = asyncio.all_tasks()
        try:
            await job()
        except KilledError as killed:
            if others := asyncio.all_tasks() - before:
                await asyncio.wait(others)
            await self.after_death()
            return f"killed at {killed}"
        except StreamStoppedError:
            return "exports stand still"
        except UnavailableError as error:
            return str(error)
        finally:
            self.faults.disarm()
        return ""

    async def export(self, kind: BundleKind.ValueType) -> str:
        """The export job of a kind."""
        return await self.run(lambda: self.exchange.export(kind))

    async def import_(self) -> str:
        """The import job."""
        return await self.run(self.exchange.import_waiting)

    async def clean_up(self) -> dict[str, bytes]:
        """The clean-up job; the bundle files that it deleted from the outbox, each with its digest."""
        before = {name: hash_file(path).digest for name, path in self._files().items()}
        await self.run(self.exchange.clean_up)
        return {name: before[name] for name in sorted(before.keys() - self._files().keys())}

    def _files(self) -> dict[str, Path]:
        outbox = self.exchange.context.outbox
        return {file.filename: file.path for file in (*outbox.acknowledged(), *outbox.voided(), *outbox.waiting())}

    async def digests_held(self) -> set[bytes]:
        """Of every bundle of the other network that has an outcome here."""
        rows = await self.rows("SELECT digest FROM stream_bundles WHERE direction = 'incoming'")
        return {bytes(row.digest) for row in rows}

    async def rows(self, statement: str, **values: object) -> list[Row[Any]]:
        """What the database says."""
        async with self.app.database.transaction() as transaction:
            return list((await transaction.connection.execute(text(statement), values)).all())

    async def change(self, statement: str, **values: object) -> None:
        """Does to the database what time or an accident does."""
        async with self.app.database.transaction() as transaction:
            await transaction.connection.execute(text(statement), values)

    async def time_passes(self, by: timedelta) -> None:
        """Leases and retries go by the database's own clock, which no rehearsal can move."""
        if self.name == "response":
            await self.change(
                "UPDATE incoming_requests SET lease_expires_at = lease_expires_at - :by, retry_at = retry_at - :by "
                "WHERE status IN ('processing', 'retry')",
                by=by,
            )

    async def _stop_all(self) -> None:
        await self.stop()
        if self.beside is not None:
            await self.beside.stop()

    async def _start_all(self) -> None:
        await self.start()
        if self.beside is not None:
            await self.beside.start()

    async def back_up(self) -> Backup:
        """Copies the database, while nothing runs."""
        await self._stop_all()
        name = f"{self._database}_backup_{next(self._servers.numbers)}"
        await asyncio.to_thread(self._copy, self._database, name)
        await self._start_all()
        return Backup(name, self.clock())

    async def restore(self, backup: Backup) -> None:
        """The database is what it was; folders, keys and media are not."""
        await self._stop_all()
        await asyncio.to_thread(self._servers.postgres.drop_database, self._database)
        await asyncio.to_thread(self._copy, backup.database, self._database)
        await self._start_all()

    def lose_archive(self) -> int:
        """Where the database had to be set back, its disk is gone, and with it what lay beside it; how many bundles."""
        archive = self.import_dir / ARCHIVE
        lost = [path for path in archive.iterdir() if path.is_file()]
        for path in lost:
            path.unlink()
        return len(lost)

    async def discard(self, backups: list[Backup]) -> None:
        """Stops for good and drops the databases."""
        await self._stop_all()
        for name in (self._database, *(backup.database for backup in backups)):
            await asyncio.to_thread(self._servers.postgres.drop_database, name)

    def _copy(self, source: str, target: str) -> None:
        postgres = self._servers.postgres
        end = sql.SQL("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {}")

        def copied() -> bool:
            postgres.execute(end.format(sql.Literal(source)))
            try:
                postgres.create_database(target, template=source)
            except ObjectInUse:
                # A backend that was just let go may take a moment to end.
                return False
            return True

        wait_until(copied, what=f"a copy of {source}", limit_seconds=COPY_SECONDS)

    async def after_death(self) -> None:
        """What died left its connections to the server, which ends them; a new process takes over."""
        await self.stop()
        self.faults.dead = False
        await self.start()


async def ended_beside(sides: Sequence[Side], runs: Sequence[asyncio.Task[Any]]) -> None:
    """Waits for jobs of several processes at once, and starts anew which of these died."""
    await asyncio.gather(*runs, return_exceptions=True)
    for side in sides:
        side.faults.disarm()
        if side.faults.dead:
            await side.after_death()
    for run in runs:
        with suppress(KilledError, StreamStoppedError, UnavailableError):
            run.result()


async def fill_catalogue(response: Side) -> None:
    """The admin allows what may be asked, before the history begins."""
    app = response.app
    await allow_index(app.policy, app.engine, ALLOWED, description="", caller=current_caller())
    await app.auth.policy.refresh()


def open_sides(servers: Servers, folder: Path, clock: MovedClock) -> tuple[Side, Side]:
    """Both networks, not started, with fresh databases and empty folders below `folder`."""
    number = next(servers.numbers)
    sides = []
    for index, name in enumerate(("request", "response")):
        database = servers.new_database(name)
        settings_class: Any = RequestSettings if name == "request" else ResponseSettings
        own: dict[str, Any] = {"embedded_search_dir": servers.search_folder} if name == "response" else {}
        settings = settings_class(
            _env_file=None,
            sandbox=True,
            secret_key=f"the secret of the {name} network in rehearsals",
            database_url=servers.postgres.url(database, SERVICE),
            redis_url=servers.valkey.url((2 * number + index) % 1000),
            encryption_keyring_file=folder / "keys" / name / "keyring.json",
            signing_key_file=folder / "keys" / name / "signing.key",
            peer_signing_keys_file=folder / "keys" / name / "peers.pub",
            export_dir=folder / name / "export",
            import_dir=folder / name / "import",
            keep_sent_days=KEEP_SENT_DAYS,
            database_pool_size=4,
            worker_count=WORKER_COUNT,
            argon2_time_cost=1,
            argon2_memory_kib=8,
            argon2_parallelism=1,
            argon2_threads=1,
            **own,
        )
        sides.append(Side(name, servers, settings, database, clock))
    return sides[0], sides[1]
