"""Both networks in one folder, from nothing to a signed-in admin; what `demo`, `up` and the end-to-end tests share."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from sandbox.clients import RestClient, rest_client
from sandbox.dataset import ElasticsearchServer, load_elasticsearch, load_embedded
from sandbox.network import Network, Options, SearchServer
from sandbox.processes import run_program

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

ADMIN = "admin"
INDICES = {"cities": "Cities of the world with their names in many languages", "flights": "Flights out of New York"}
PASSWORD_BYTES = 12


class Pair:
    """A Request Network and a Response Network that share nothing but the keys that were carried to both."""

    def __init__(
        self,
        folder: Path,
        run_folder: Path,
        *,
        elasticsearch: ElasticsearchServer | None = None,
        serve_processes: int = 2,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """`run_folder` must be short, since Unix sockets lie in it. `settings` are for both services."""
        self.folder = folder
        self.keys = folder / "keys"
        self.stick = folder / "stick"
        self.elasticsearch = elasticsearch
        self.search_folder = folder / "search"
        run_folder.mkdir(parents=True, exist_ok=True)
        search = search_server(elasticsearch, self.search_folder)
        places = (run_folder, self.keys)
        options = Options(serve_processes, dict(settings or {}))
        self.request = Network("request", folder / "request", *places, options)
        self.response = Network("response", folder / "response", *places, options, search=search)

    @property
    def networks(self) -> tuple[Network, Network]:
        """Both, the one that asks first."""
        return self.request, self.response

    def build(self, tell: Callable[[str], None] = lambda _: None) -> None:
        """Starts everything and returns once both doors answer; `tell` hears each step. Call `stop` in any case."""
        self.stick.mkdir(parents=True, exist_ok=True)
        if not self.keys.exists():
            tell("keys for both networks (transfer keygen)")
            run_program("transfer", "keygen", str(self.keys), folder=self.folder, log_path=self.folder / "keygen.log")
        tell("PostgreSQL and Valkey, one of each for each network")
        for network in self.networks:
            network.start_servers()
        tell("the tables (migrate)")
        self._migrate()
        tell("the sample data: cities of the world, flights out of New York")
        self._load()
        tell("serve, worker and scheduler")
        for network in self.networks:
            network.start_service()
        tell("Envoy")
        for network in self.networks:
            network.open_door()

    def sign_in_admin(self) -> RestClient:
        """The admin of the Response Network, made by `create-admin` the first time, who then allows the indices."""
        client = rest_client(self.response.envoy)
        file = self.folder / "admin.password"
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(new_password())
            try:
                self.response.processes.run(*CREATE_ADMIN, "--password-file", str(file))
            except BaseException:
                file.unlink()
                raise
        client.sign_in(ADMIN, file.read_text())
        self._allow_indices(client)
        return client

    def check_running(self) -> None:
        """Raises ProcessError if anything has ended by itself."""
        for network in self.networks:
            network.check_running()

    def stop(self) -> None:
        """Ends everything that was started here."""
        for network in self.networks:
            network.envoy.stop()
            network.processes.ask_to_stop()
        for network in self.networks:
            network.stop()

    def _allow_indices(self, admin: RestClient) -> None:
        """Once: what somebody changes later stands."""
        done = self.folder / "indices.allowed"
        if done.exists():
            return
        listed = admin.call("GET", "/api/v1/admin/indices")["indices"]
        for name, description in INDICES.items():
            if name not in {index["name"] for index in listed}:
                admin.call("POST", "/api/v1/admin/indices", json={"name": name, "description": description})
        done.touch()

    def _migrate(self) -> None:
        running = [(network, network.processes.begin("migrate")) for network in self.networks]
        for network, child in running:
            network.processes.finish(child)

    def _load(self) -> None:
        if self.elasticsearch is not None:
            load_elasticsearch(self.elasticsearch)
        else:
            load_embedded(self.search_folder)


CREATE_ADMIN = ("create-admin", "--username", ADMIN, "--email", "admin@example.org")


def search_server(server: ElasticsearchServer | None, folder: Path) -> SearchServer:
    """The services' settings for the server, or for the built-in engine's folder."""
    if server is None:
        return SearchServer(folder=folder)
    named = {
        "ELASTICSEARCH_USERNAME": server.username,
        "ELASTICSEARCH_PASSWORD": server.password,
        "ELASTICSEARCH_API_KEY": server.api_key,
        "ELASTICSEARCH_CA_FILE": server.authority,
    }
    return SearchServer(url=server.url, credentials=tuple((name, value) for name, value in named.items() if value))


def new_password() -> str:
    """A password that no one has used before."""
    return secrets.token_urlsafe(PASSWORD_BYTES)
