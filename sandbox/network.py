"""One network on this machine: its folder, its settings, its databases, its service and its door."""

from __future__ import annotations

import secrets
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.certificates import make_certificate
from sandbox.envoy import Envoy
from sandbox.migrated import OWNER, SERVICE
from sandbox.postgres import EmbeddedPostgres, can_reach, unprivileged_user
from sandbox.processes import LONG_RUNNING, ServiceProcesses
from sandbox.valkey import EmbeddedValkey
from sandbox.waiting import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sandbox.child import Child

PEERS = {"request": "response", "response": "request"}
DATABASE = "airlock"


@dataclass(frozen=True, slots=True)
class SearchServer:
    """Where the Response Network searches: a real server, or the built-in engine's folder."""

    url: str = ""
    folder: Path | None = None
    credentials: tuple[tuple[str, str], ...] = ()

    def environment(self) -> dict[str, str]:
        """The settings that name it."""
        if self.url:
            return {"ELASTICSEARCH_URL": self.url, **dict(self.credentials)}
        return {"EMBEDDED_SEARCH_DIR": str(self.folder)}


@dataclass(frozen=True, slots=True)
class Options:
    """How many processes serve, and settings that win over those made here."""

    serve_processes: int = 2
    settings: Mapping[str, str] = field(default_factory=dict)


class Network:
    """Everything that one network runs. `start` and `stop` may be called once each."""

    def __init__(
        self,
        name: str,
        folder: Path,
        run_folder: Path,
        keys: Path,
        options: Options,
        *,
        search: SearchServer | None = None,
    ) -> None:
        """`keys` is a folder that `transfer keygen` made; `search` is for the network that searches."""
        self.name = name
        self.folder = folder
        self.export_dir = folder / "export"
        self.import_dir = folder / "import"
        self.sockets = [run_folder / f"{name}-{process}.sock" for process in range(options.serve_processes)]
        folder.mkdir(parents=True, exist_ok=True)
        self.certificate = make_certificate(folder / "tls")
        self.postgres = EmbeddedPostgres(_database_folder(name, folder, run_folder))
        self.valkey = EmbeddedValkey(folder / "valkey")
        self.envoy = Envoy(name, folder / "envoy", run_folder, self.certificate)
        self.processes = ServiceProcesses(name, folder, {})
        self._keys = keys
        self._run_folder = run_folder
        self._search = search
        self._settings = options.settings

    def start_servers(self) -> None:
        """PostgreSQL and Valkey, with an empty database the first time."""
        self.postgres.start()
        self.valkey.start()
        for role in (OWNER, SERVICE):
            self.postgres.create_role(role)
        if not self.postgres.has_database(DATABASE):
            self.postgres.create_database(DATABASE, owner=OWNER)
        self.processes.environment = self.environment()

    def start_service(self) -> None:
        """Starts `serve`, `worker` and `scheduler`, without waiting; the database must be migrated."""
        for socket in self.sockets:
            socket.unlink(missing_ok=True)
        for command in LONG_RUNNING:
            self.processes.start(command)

    def open_door(self) -> None:
        """Returns once the API answers through Envoy."""
        self.processes.wait_for_sockets(self.sockets)
        self.envoy.start(self.sockets)

    def environment(self) -> dict[str, str]:
        """The settings of this network's service."""
        settings = {
            "SANDBOX": "true",
            "DATABASE_URL": self.postgres.url(DATABASE, SERVICE),
            # An older sandbox's database belongs to the superuser.
            "MIGRATION_DATABASE_URL": self.postgres.url(DATABASE, self.postgres.owner_of(DATABASE)),
            "REDIS_URL": self.valkey.url(),
            "SECRET_KEY": self._secret_key(),
            "EXPORT_DIR": str(self.export_dir),
            "IMPORT_DIR": str(self.import_dir),
            "ENCRYPTION_KEYRING_FILE": str(self._own_keyring()),
            "SIGNING_KEY_FILE": str(self._keys / f"{self.name}-signing.key"),
            "PEER_SIGNING_KEYS_FILE": str(self._keys / f"{PEERS[self.name]}-signing.pub"),
            "GRPC_LISTEN": f"unix:{self._run_folder / '{network}-{process}.sock'}",
            "SERVE_PROCESSES": str(len(self.sockets)),
            "DRAIN_SECONDS": "2",
            "API_HOST": LOOPBACK,
            "API_PORT": str(self.envoy.tls_port),
        }
        if self._search is not None:
            settings |= self._search.environment()
        return settings | dict(self._settings)

    def _own_keyring(self) -> Path:
        """This network's copy, as if it had been brought there: a rotation changes it on each network by itself."""
        path = self._keys / f"{self.name}-keyring.json"
        if not path.exists():
            shutil.copy(self._keys / "keyring.json", path)
        return path

    def children(self) -> dict[str, Child]:
        """Every running program by name."""
        servers = {"postgres": self.postgres.child, "valkey": self.valkey.child, "envoy": self.envoy.child}
        return {name: child for name, child in servers.items() if child is not None} | dict(self.processes.children)

    def check_running(self) -> None:
        """Raises ProcessError, with the end of its log, if one of the programs has ended."""
        for child in self.children().values():
            child.check_running()

    def stop(self) -> None:
        """Ends everything, from the door to the databases. Does nothing to what is not running."""
        self.envoy.stop()
        self.processes.stop()
        self.valkey.stop()
        self.postgres.stop()

    def _secret_key(self) -> str:
        # Kept, so that sessions outlive a restart.
        file = self.folder / "secret.key"
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(secrets.token_hex(32))
        return file.read_text()


def _database_folder(name: str, folder: Path, run_folder: Path) -> Path:
    user = unprivileged_user()
    if user is None or can_reach(folder, user):
        return folder / "postgres"
    # PostgreSQL runs as somebody who may not enter the caller's own folders.
    return run_folder / f"{name}-postgres"
