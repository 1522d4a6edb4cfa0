"""Fetches an official Elasticsearch from Maven Central and runs it as one node, for tests and trials; never shipped.

python -m sandbox.elasticsearch run --version 9.5.3      until Ctrl-C, with its address printed
python -m sandbox.elasticsearch test --version 9.5.3     the engine's contract against it; a skip is a failure
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import secrets
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sandbox.certificates import make_certificate
from sandbox.child import Child
from sandbox.elasticsearch_distribution import DEFAULT_VERSION, Java, find_java, unpacked
from sandbox.elasticsearch_plugin import install_plugin
from sandbox.errors import ProcessError, SandboxError
from sandbox.postgres import unprivileged_user
from sandbox.waiting import LOOPBACK, free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

CONTRACT_TESTS: Final = "tests/integration/search"
USERNAME: Final = "airlock"
READER: Final = "reader"
"""A user whom the deployed script made, as a site makes the service's own; with the same password."""
READABLE: Final = ("airlock-contract-*", "cities", "flights")
_REPOSITORY: Final = Path(__file__).parent.parent
_LEAST_JAVA: Final = {8: 17, 9: 21}
_READY_SECONDS: Final = 180
_STOP_SECONDS: Final = 30
_MAKE_READER: Final = _REPOSITORY / "deploy" / "elasticsearch" / "make-reader.sh"
_JAVA_OPTIONS: Final = "-Xms512m -Xmx512m -XX:-UsePerfData"


class ElasticsearchNode:
    """One node with fresh data on a loopback port, gone when it is stopped."""

    def __init__(
        self, version: str = DEFAULT_VERSION, *, port: int = 0, security: bool = False, https: bool = False
    ) -> None:
        """Port 0 is any free one. With `security`, USERNAME and READER are let in by the generated `password`.

        With `https` the certificate is signed by an authority of its own, `authority`.
        """
        self.version = version
        self.port = port
        self.https = https
        self.password = secrets.token_urlsafe(18) if security or https else ""
        self._user = unprivileged_user()
        self._folder: Path | None = None
        self._child: Child | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{'https' if self.https else 'http'}://{LOOPBACK}:{self.port}"

    @property
    def authority(self) -> Path | None:
        """The certificate by which it is trusted."""
        return self._folder / "config" / "tls" / "authority.pem" if self.https and self._folder else None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Fetches what is not there yet, starts the node and returns once it answers."""
        program = unpacked(self.version, self._user) / "bin"
        least_java = _LEAST_JAVA.get(int(self.version.split(".")[0]), 21)
        java = find_java(least_java)
        if self.password:
            install_plugin(program.parent, self.version, java, least_java=least_java)
        self.port = self.port or free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="airlock-elasticsearch-"))
        try:
            environment = self._configure(self._folder, program.parent, java)
            if self.password:
                add = ("useradd", USERNAME, "-p", self.password, "-r", "superuser")
                self._run(program / "elasticsearch-users", *add, environment=environment)
            self._child = Child(
                name=f"Elasticsearch {self.version}",
                command=[str(program / "elasticsearch")],
                log_path=self._folder / "logs" / "output.log",
                environment=environment,
                folder=self._folder,
                user=self._user,
            )
            self._child.start()
            wait_until(self._answers, what=f"Elasticsearch {self.version} at {self.url}", limit_seconds=_READY_SECONDS)
            if self.password:
                # Soon after its start a node may still be making the index of users.
                wait_until(self._has_reader, what=f"the user {READER}", limit_seconds=_READY_SECONDS)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ends the node and removes its data. Does nothing twice."""
        if self._child is not None:
            self._child.stop(_STOP_SECONDS)
            self._child = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def make_reader(self, *arguments: str) -> str:
        """Runs the script that a site runs, with the node's own admin and password; its output."""
        assert self._folder is not None
        password = self._folder / "password"
        password.touch(0o600)
        password.write_text(self.password)
        command = ["sh", str(_MAKE_READER), "--url", self.url, "--admin", USERNAME]
        command += ["--admin-password-file", str(password), "--password-file", str(password)]
        command += ["--ca", str(self.authority)] if self.authority else []
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ProcessError(f"{_MAKE_READER.name} failed:\n{done.stderr[-2000:]}")
        return done.stdout

    def check_running(self) -> None:
        """Raises ProcessError with the end of the log if the node has ended."""
        if self._child is not None:
            self._child.check_running()

    def _configure(self, folder: Path, distribution: Path, java: Java) -> dict[str, str]:
        shutil.copytree(distribution / "config", folder / "config")
        # What the node and its small tools leave in a temporary folder goes with this one.
        temporary = folder / "tmp"
        for made in (folder / "logs", temporary):
            made.mkdir()
        settings = {
            "cluster.name": "airlock-sandbox",
            "cluster.routing.allocation.disk.threshold_enabled": "false",
            "discovery.type": "single-node",
            "http.port": str(self.port),
            "network.host": LOOPBACK,
            "path.data": str(folder / "data"),
            "path.logs": str(folder / "logs"),
            # Whether a search is late is asked of a clock that else moves five times a second only.
            "thread_pool.estimated_time_interval": "2ms",
            "transport.port": str(free_port()),
            "xpack.security.enabled": "true" if self.password else "false",
        }
        if self.https:
            certificate = make_certificate(folder / "config" / "tls")
            settings |= {
                "xpack.security.http.ssl.enabled": "true",
                "xpack.security.http.ssl.certificate": str(certificate.chain),
                "xpack.security.http.ssl.key": str(certificate.private_key),
            }
        lines = [f"{name}: {value}\n" for name, value in settings.items()]
        (folder / "config" / "elasticsearch.yml").write_text("".join(lines))
        if self._user is not None:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, self._user.user_id, self._user.group_id)
        return {
            "ES_JAVA_HOME": str(java.home),
            "ES_JAVA_OPTS": _JAVA_OPTIONS,
            "ES_PATH_CONF": str(folder / "config"),
            "ES_TMPDIR": str(temporary),
            "CLI_JAVA_OPTS": f"-Djava.io.tmpdir={temporary} -XX:-UsePerfData",
            "PATH": os.environ.get("PATH", os.defpath),
        }

    def _run(self, program: Path, *arguments: str, environment: dict[str, str]) -> None:
        """Runs one of Elasticsearch's small tools to its end."""
        assert self._folder is not None
        log = self._folder / "logs" / f"{program.name}.log"
        child = Child(name=program.name, command=[str(program), *arguments], log_path=log, environment=environment,
                      folder=self._folder, user=self._user)  # fmt: skip
        child.start()
        if child.wait(_READY_SECONDS) != 0:
            raise ProcessError(f"{program.name} failed:\n{child.log_tail()}")

    def _has_reader(self) -> bool:
        self.check_running()
        try:
            self.make_reader("--role", READER, "--user", READER, "--allow-patterns", *READABLE)
        except ProcessError as error:
            if "503" in str(error):
                return False
            raise
        return True

    def _answers(self) -> bool:
        self.check_running()
        # This distribution answers 405 on `/`, so the cluster's health is what tells that it is up.
        request = urllib.request.Request(f"{self.url}/_cluster/health")  # noqa: S310 # Always on the loopback.
        trust = ssl.create_default_context(cafile=self.authority) if self.https else None
        if self.password:
            token = base64.b64encode(f"{USERNAME}:{self.password}".encode()).decode()
            request.add_header("authorization", f"Basic {token}")
        try:
            with urllib.request.urlopen(request, timeout=5, context=trust) as answer:  # noqa: S310 # As above.
                return json.load(answer)["status"] in {"green", "yellow"}
        except (OSError, ValueError, KeyError):
            return False


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does."""

    def stop(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def run(node: ElasticsearchNode) -> int:
    """Keeps a node up until it is told to stop."""
    with suppress(KeyboardInterrupt), _stopped_by_signals(), node:
        print(f"Elasticsearch {node.version} is up; stop it with Ctrl-C.\n", flush=True)  # A command.
        print(f"export ELASTICSEARCH_URL={node.url}", flush=True)  # As above.
        if node.password:
            print(f"export ELASTICSEARCH_USERNAME={USERNAME}", flush=True)  # As above.
            print(f"export ELASTICSEARCH_PASSWORD={node.password}", flush=True)  # As above.
        if node.authority:
            print(f"export ELASTICSEARCH_CA_FILE={node.authority}", flush=True)  # As above.
        while True:
            node.check_running()
            signal.sigtimedwait([], 1)
    return 0


def test(node: ElasticsearchNode) -> int:
    """Runs the engine's contract against a node; a test that is skipped counts as failed."""
    with _stopped_by_signals(), node:
        environment = os.environ | {
            "ELASTICSEARCH_TEST_URL": node.url,
            "ELASTICSEARCH_TEST_PASSWORD": node.password,
            "ELASTICSEARCH_TEST_CA_FILE": str(node.authority),
            # For the tests' own clients; OpenSSL looks there.
            "SSL_CERT_FILE": str(node.authority),
        }
        command = [sys.executable, "-m", "pytest", "-q", "-m", "elasticsearch", CONTRACT_TESTS]
        done = subprocess.run(command, cwd=_REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    print(done.stdout, end="", flush=True)  # A command.
    return done.returncode or int("skipped" in done.stdout.splitlines()[-1])


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.elasticsearch", description=__doc__.split("\n")[0])
    parser.add_argument("command", choices=("run", "test"))
    parser.add_argument("--version", default=DEFAULT_VERSION)
    parser.add_argument("--port", type=int, default=0, help="0 is any free one")
    parser.add_argument("--security", action="store_true", help="ask for name and password, which are printed")
    parser.add_argument("--https", action="store_true", help="the same over https, with an authority of its own")
    options = parser.parse_args(arguments)
    # The contract holds for an account that may only search and trusts one authority, so its test needs both.
    https = options.https or options.command == "test"
    node = ElasticsearchNode(options.version, port=options.port, security=options.security, https=https)
    try:
        return run(node) if options.command == "run" else test(node)
    except (SandboxError, subprocess.SubprocessError) as error:
        print(f"error: {error}", file=sys.stderr)  # A command.
        return 1


if __name__ == "__main__":
    sys.exit(main())
