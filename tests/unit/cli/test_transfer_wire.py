"""`transfer export` and `transfer import`: bundles over the wire, whatever the other end does."""

from __future__ import annotations

import socketserver
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.unit.cli.service import PASSWORD, TOKEN, FakeService, serving
from tests.unit.cli.station import REQUEST, response

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.cli.station import Result, Station


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
def address(service: FakeService) -> Iterator[str]:
    # A socket's path may have 107 bytes at most, fewer than pytest's folders need.
    with tempfile.TemporaryDirectory(prefix="airlock-") as folder:
        where = f"unix:{folder}/s"
        with serving(service, where):
            yield where


def export(station: Station, address: str, *more: object, password: str | None = PASSWORD) -> Result:
    options = ("--server", address, "--username", "sara")
    return station.run("export", *options, *more, station.medium, AIRLOCK_PASSWORD=password)


def send(station: Station, address: str, *files: object) -> Result:
    return station.run("import", "--server", address, "--username", "sara", *files, AIRLOCK_PASSWORD=PASSWORD)


def test_every_page_of_waiting_bundles_is_fetched(station: Station, service: FakeService, address: str) -> None:
    service.bundles = [station.seal("requests", REQUEST) for _ in range(5)]
    result = export(station, address)
    assert result.code == 0
    assert "5 bundles fetched" in result.out
    for bundle in service.bundles:
        assert (station.medium / "requests" / bundle.name).read_bytes() == bundle.read_bytes()


def test_what_is_there_whole_is_skipped(station: Station, service: FakeService, address: str) -> None:
    service.bundles = [station.seal("requests", REQUEST)]
    export(station, address)
    again = export(station, address, "--json")
    assert (again.code, again.document["fetched"], len(again.document["already_there"])) == (0, [], 1)
    assert service.sent == 1


def test_a_damaged_copy_is_named_and_not_overwritten(station: Station, service: FakeService, address: str) -> None:
    service.bundles = [station.seal("requests", REQUEST)]
    export(station, address)
    copy = station.medium / "requests" / service.bundles[0].name
    copy.write_bytes(b"damaged")
    result = export(station, address)
    assert result.code == 1
    assert "[file-exists]" in result.err
    assert copy.read_bytes() == b"damaged"


def test_a_flipped_bit_on_the_way_leaves_no_file(station: Station, service: FakeService, address: str) -> None:
    service.bundles, service.flip = [station.seal("requests", REQUEST)], True
    result = export(station, address)
    assert result.code == 1
    assert "[transfer-mismatch]" in result.err
    assert [path for path in station.medium.rglob("*") if path.is_file()] == []


def test_a_stream_that_breaks_leaves_no_half_file(station: Station, service: FakeService, address: str) -> None:
    service.bundles, service.cut_after = [station.seal("requests", REQUEST)], 256
    result = export(station, address)
    assert result.code == 1
    assert "The disk failed" in result.err
    assert "request id req-7" in result.err
    assert [path for path in station.medium.rglob("*") if path.is_file()] == []


def test_more_bytes_than_listed_are_not_taken(station: Station, service: FakeService, address: str) -> None:
    service.bundles, service.listed = [station.seal("responses", response("x" * 9000))], {"size_bytes": 10}
    result = export(station, address)
    assert result.code == 1
    assert "[transfer-mismatch]" in result.err


@pytest.mark.parametrize("filename", ["../../etc/passwd", "/etc/passwd", "requests_1.pb.enc", ""])
def test_a_server_does_not_choose_the_path(station: Station, service: FakeService, address: str, filename: str) -> None:
    service.bundles, service.listed = [station.seal("requests", REQUEST)], {"filename": filename}
    result = export(station, address)
    assert result.code == 1
    assert "is not the name and size of a bundle" in result.err
    assert [path for path in station.medium.rglob("*") if path.is_file()] == []


def test_an_empty_outbox_is_a_success(station: Station, address: str) -> None:
    result = export(station, address)
    assert (result.code, result.out) == (0, "Nothing waits to be carried.\n")


def test_a_wrong_password_is_told_apart(station: Station, address: str) -> None:
    result = export(station, address, password="wrong")
    assert result.code == 6
    assert "Name or password is wrong" in result.err


def test_a_token_from_a_file_needs_no_password(station: Station, address: str) -> None:
    token = station.root / "token"
    token.write_text(f"{TOKEN}\n")
    assert station.run("export", "--server", address, "--token-file", token, station.medium).code == 0
    token.write_text("stale")
    result = station.run("export", "--server", address, "--token-file", token, station.medium)
    assert result.code == 6
    assert "PERMISSION_MISSING" in result.err


def test_a_password_may_come_from_a_file(station: Station, address: str) -> None:
    password = station.root / "password"
    password.write_text(PASSWORD + "\n")
    assert export(station, address, "--password-file", password, password=None).code == 0
    password.write_text("two\nlines\n")
    assert export(station, address, "--password-file", password, password=None).code == 3


def test_without_a_terminal_the_password_must_be_given(station: Station, address: str) -> None:
    result = export(station, address, password=None)
    assert result.code == 3
    assert "--password-file" in result.err
    nobody = station.run("export", "--server", address, station.medium)
    assert nobody.code == 3
    assert "--username" in nobody.err


def test_a_server_that_does_not_answer_is_told_apart(station: Station) -> None:
    result = export(station, f"unix:{station.root}/nobody")
    assert result.code == 5
    assert "[server-unreachable]" in result.err
    assert "Traceback" not in result.err


def test_bundles_are_sent_and_stay_where_they_are(station: Station, service: FakeService, address: str) -> None:
    bundles = [station.seal("requests", REQUEST), station.seal("responses", response("x" * 900_000))]
    contents = [bundle.read_bytes() for bundle in bundles]
    result = send(station, address, *bundles)
    assert result.code == 0
    assert list(service.received.values()) == contents
    assert [bundle.read_bytes() for bundle in bundles] == contents
    assert send(station, address, bundles[0]).code == 0


def test_what_is_no_bundle_is_not_sent(station: Station, service: FakeService, address: str) -> None:
    readme = station.root / "readme.txt"
    readme.write_text("hello")
    bundle = station.seal("requests", REQUEST)
    result = send(station, address, readme, station.root / "absent", bundle)
    assert result.code == 1
    assert "[not-a-bundle]" in result.err
    assert list(service.received.values()) == [bundle.read_bytes()]


def test_a_service_that_holds_something_else_is_not_believed(
    station: Station, service: FakeService, address: str
) -> None:
    service.lie_about_import = True
    result = send(station, address, station.seal("requests", REQUEST))
    assert result.code == 1
    assert "[transfer-mismatch]" in result.err


def test_an_authority_that_cannot_be_read_is_named(station: Station) -> None:
    ca = Path(station.root / "ca.pem")
    result = station.run(
        "export", "--server", "localhost:1", "--ca", ca, "--username", "sara", station.medium, AIRLOCK_PASSWORD="x"
    )
    assert result.code == 3
    assert "ca.pem" in result.err


def test_only_a_certificate_of_the_named_authority_counts(station: Station, service: FakeService) -> None:
    key, certificate = self_signed("localhost")
    ca = station.root / "ca.pem"
    ca.write_bytes(certificate)
    credentials = grpc.ssl_server_credentials([(key, certificate)])
    with serving(service, "localhost:0", credentials) as port:
        address = f"localhost:{port}"
        assert export(station, address, "--ca", ca).code == 0
        untrusted = export(station, address)
    assert untrusted.code == 5
    assert "--ca FILE" in untrusted.err


def test_a_port_without_tls_is_told_apart(station: Station, service: FakeService) -> None:
    with serving(service, "localhost:0") as port:
        result = export(station, f"localhost:{port}")
    assert result.code == 5
    assert "does not speak TLS" in result.err


def test_a_port_that_hangs_up_in_the_handshake_is_taken_for_one_without_tls(station: Station) -> None:
    with socketserver.TCPServer(("localhost", 0), socketserver.BaseRequestHandler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        result = export(station, f"localhost:{server.server_address[1]}")
        server.shutdown()
    assert result.code == 5
    assert "does not speak TLS" in result.err


def self_signed(host: str) -> tuple[bytes, bytes]:
    """A private key and its certificate, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private, certificate.public_bytes(Encoding.PEM)


@pytest.mark.parametrize("server", ["localhost", "http://localhost:443", "localhost:443/api", "localhost:https"])
def test_what_is_no_address_is_told_at_once(station: Station, server: str) -> None:
    result = station.run("status", "--server", server, "--username", "sara", AIRLOCK_PASSWORD=PASSWORD)
    assert (result.code, "host:port" in result.err) == (2, True)


def test_an_address_as_a_browser_has_it_is_understood(station: Station) -> None:
    result = station.run("status", "--server", "https://localhost:1/", "--username", "sara", AIRLOCK_PASSWORD=PASSWORD)
    assert (result.code, "localhost:1 does not answer" in result.err) == (5, True)


def test_a_file_without_a_certificate_is_no_authority(station: Station) -> None:
    key = station.keys.request_signing_key
    result = station.run("status", "--server", "localhost:1", "--username", "sara", "--ca", key, AIRLOCK_PASSWORD="x")
    assert (result.code, "no certificate" in result.err) == (3, True)


@pytest.mark.parametrize(
    "command",
    [
        ("void", "abc", "--reason", "x"),
        ("void", "1", "--reason", " "),
        ("report", "abc"),
        ("epoch", "declare", "--reason", ""),
    ],
)
def test_what_cannot_be_meant_is_not_asked_of_a_service(station: Station, command: tuple[str, ...]) -> None:
    result = station.run(*command, "--server", "localhost:1", "--username", "sara", AIRLOCK_PASSWORD="x")
    assert (result.code, "next:" in result.err) == (2, True)
