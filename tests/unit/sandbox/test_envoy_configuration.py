"""Envoy accepts what is rendered for it, and the development certificate is one that clients can check."""

from __future__ import annotations

import ssl
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from common.ratelimit.headers import HEADERS
from sandbox.certificates import make_certificate
from sandbox.envoy import ROOT, Envoy, envoy_program

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("network", ["request", "response"])
def test_envoy_accepts_the_configuration(network: str, tmp_path: Path) -> None:
    door = Envoy(network, tmp_path, tmp_path, make_certificate(tmp_path / "tls"))
    file = tmp_path / "envoy.yaml"
    file.write_text(door.render([tmp_path / "0.sock", tmp_path / "1.sock"]))
    command = [str(envoy_program()), "--mode", "validate", "--config-path", str(file)]
    checked = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("network", ["request", "response"])
def test_every_service_of_the_network_is_transcoded(network: str) -> None:
    described = FileDescriptorSet.FromString((ROOT / "gen" / "descriptors" / f"{network}.binpb").read_bytes())
    services = {f"{file.package}.{service.name}" for file in described.file for service in file.service}
    configuration = (ROOT / "envoy" / f"{network}.yaml").read_text()
    for service in services:
        assert f"- {service}\n" in configuration


@pytest.mark.parametrize("network", ["request", "response"])
def test_a_browser_may_read_how_the_limits_stand(network: str) -> None:
    configuration = (ROOT / "envoy" / f"{network}.yaml").read_text()
    _, _, exposed = configuration.partition("expose_headers:")
    for name in (*HEADERS, "retry-after"):
        assert name in exposed.partition("max_age:")[0]


def test_the_certificate_is_checked_by_its_authority_and_its_key_is_private(tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(made.chain, made.private_key)
    client = ssl.create_default_context(cafile=made.authority)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    shake_hands(client, server)
    assert stat.S_IMODE(made.private_key.stat().st_mode) == 0o600


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext) -> None:
    """A TLS handshake in memory; raises where the client does not trust the server."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    finished: set[int] = set()
    for _ in range(10):
        for side in (ours, theirs):
            try:
                side.do_handshake()
                finished.add(id(side))
            except ssl.SSLWantReadError:
                continue
        if len(finished) == 2:
            return
    raise AssertionError("the handshake does not end")
