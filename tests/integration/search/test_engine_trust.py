"""TLS to the search engine: whom the service believes, and what an operator is told when it does not."""

from __future__ import annotations

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from response_svc.search.answers import EngineUnavailableError
from response_svc.search.connection import ElasticsearchAccess
from response_svc.search.elasticsearch import ElasticsearchEngine
from sandbox.certificates import HOSTS, Certificate, make_certificate
from tests.integration.search.fake_cluster import Cluster, ask, running

if TYPE_CHECKING:
    from pathlib import Path

OTHER_HOSTS = [x509.DNSName("elsewhere.example"), x509.IPAddress(ipaddress.ip_address("192.0.2.1"))]


def shown_by(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.private_key)
    return context


async def told(address: str, authority: Path | None) -> str:
    """What is said when the node is asked, also by the check."""
    engine = ElasticsearchEngine(
        ElasticsearchAccess([address], username="reader", password="secret", ca_file=authority)
    )
    with pytest.raises(EngineUnavailableError) as failed:
        await ask(engine)
    health = await engine.check()
    await engine.close()
    assert failed.value.message in health.detail
    return failed.value.message


async def test_a_node_that_our_authority_signed_is_asked(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    async with running(Cluster(), trust=shown_by(certificate)) as address:
        for name in (address, address.replace("127.0.0.1", "localhost")):
            engine = ElasticsearchEngine(ElasticsearchAccess([name], ca_file=certificate.authority))
            assert (await ask(engine)).hit_count == 3
            await engine.close()


@pytest.mark.parametrize(
    ("hosts", "days", "cause", "step"),
    [
        (HOSTS, -365, "has expired", "renew it"),
        (HOSTS, 30, "is not valid yet", "clocks"),
        (OTHER_HOSTS, 0, "is for another host", "ELASTICSEARCH_URL"),
    ],
)
async def test_a_certificate_that_does_not_fit_is_refused_with_cause_and_step(
    tmp_path: Path, hosts: list[x509.GeneralName], days: int, cause: str, step: str
) -> None:
    start = datetime.now(UTC) + timedelta(days=days)
    certificate = make_certificate(tmp_path, hosts=hosts, valid_from=start)
    cluster = Cluster()
    async with running(cluster, trust=shown_by(certificate)) as address:
        for name in (address, address.replace("127.0.0.1", "localhost")):
            message = await told(name, certificate.authority)
            assert cause in message
            assert step in message
    assert not cluster.asked


@pytest.mark.parametrize("named", ["another authority", "none"])
async def test_an_authority_that_is_not_trusted_is_refused(tmp_path: Path, named: str) -> None:
    certificate = make_certificate(tmp_path / "its")
    other = make_certificate(tmp_path / "other").authority if named == "another authority" else None
    cluster = Cluster()
    async with running(cluster, trust=shown_by(certificate)) as address:
        assert "ELASTICSEARCH_CA_FILE" in await told(address, other)
    assert not cluster.asked


async def test_https_to_a_port_that_speaks_http_names_the_setting(tmp_path: Path) -> None:
    authority = make_certificate(tmp_path).authority
    async with running(Cluster()) as address:
        message = await told(address.replace("http:", "https:"), authority)
    assert "ELASTICSEARCH_URL" in message


async def test_http_to_a_port_that_speaks_https_gets_no_answer(tmp_path: Path) -> None:
    async with running(Cluster(), trust=shown_by(make_certificate(tmp_path))) as address:
        assert "cannot be reached" in await told(address.replace("https:", "http:"), None)


async def test_of_two_nodes_the_one_that_is_not_trusted_is_passed_over(tmp_path: Path) -> None:
    good, bad = make_certificate(tmp_path / "good"), make_certificate(tmp_path / "bad")
    false = Cluster()
    async with running(Cluster(), trust=shown_by(good)) as right, running(false, trust=shown_by(bad)) as wrong:
        engine = ElasticsearchEngine(ElasticsearchAccess([wrong, right], ca_file=good.authority))
        for _ in range(4):
            assert (await ask(engine)).hit_count == 3
        await engine.close()
    assert not false.asked
