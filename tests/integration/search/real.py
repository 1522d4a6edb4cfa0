"""The real server of the tests, as its admin sees it: indices in every state, and the script that makes accounts."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx

from response_svc.search.connection import ElasticsearchAccess
from sandbox.elasticsearch import USERNAME

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPT = Path(__file__).parents[3] / "deploy" / "elasticsearch" / "make-reader.sh"
Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RealServer:
    """Where it is, and the client of its admin."""

    url: str
    password: str
    authority: Path
    admin: httpx.Client

    def access(self, username: str = USERNAME, password: str | None = None) -> ElasticsearchAccess:
        """How the service would be let in; as the admin unless told otherwise."""
        return ElasticsearchAccess([self.url], username, password or self.password, ca_file=self.authority)

    def client(self, **sign_in: Any) -> httpx.Client:
        """A bare client for what the service never asks."""
        return httpx.Client(base_url=self.url, timeout=60, **sign_in)

    def ask(self, method: str, path: str, body: Body | None = None) -> Body:
        """What the admin is answered; raises for a refusal."""
        answer = self.admin.request(method, path, json=body)
        answer.raise_for_status()
        found: Body = answer.json()
        return found

    @contextmanager
    def index(self, settings: Body | None = None, mappings: Body | None = None, *, documents: int = 0) -> Iterator[str]:
        """A fresh index of one shard unless told otherwise, gone afterwards."""
        name = f"airlock-contract-{uuid4().hex[:12]}"
        body = {"settings": {"number_of_replicas": 0, "number_of_shards": 1} | (settings or {})}
        self.ask("PUT", f"/{name}?wait_for_active_shards=0", body | ({"mappings": mappings} if mappings else {}))
        try:
            if documents:
                self.fill(name, documents)
            yield name
        finally:
            self.admin.delete(f"/{name}")

    def fill(self, index: str, documents: int) -> None:
        """Numbered documents, each with a key and words of its own."""
        lines = (f'{{"index":{{}}}}\n{{"k":"key{n}","n":{n},"t":"word{n} alpha"}}\n' for n in range(documents))
        headers = {"content-type": "application/x-ndjson"}
        path = f"/{index}/_bulk?refresh=true&wait_for_active_shards=0"
        self.admin.post(path, content="".join(lines).encode(), headers=headers).raise_for_status()

    @contextmanager
    def cluster_setting(self, name: str, value: object) -> Iterator[None]:
        """A setting of the whole cluster, taken back afterwards."""
        self.ask("PUT", "/_cluster/settings", {"persistent": {name: value}})
        try:
            yield
        finally:
            self.ask("PUT", "/_cluster/settings", {"persistent": {name: None}})

    def make_reader(self, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs the deployed script as its admin."""
        password = folder / "admin-password"
        password.write_text(self.password)
        command = ["sh", str(SCRIPT), "--url", self.url, "--ca", str(self.authority), "--admin", USERNAME]
        command += ["--admin-password-file", str(password)]
        return subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)


@contextmanager
def real_server() -> Iterator[RealServer]:
    """The server that the environment names."""
    url, password = os.environ["ELASTICSEARCH_TEST_URL"], os.environ["ELASTICSEARCH_TEST_PASSWORD"]
    authority = Path(os.environ["ELASTICSEARCH_TEST_CA_FILE"])
    with httpx.Client(base_url=url, auth=(USERNAME, password), timeout=60) as admin:
        yield RealServer(url, password, authority, admin)
