"""What an operator is told about the search engine: its version, its state, and an account that may do too much."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from response_svc.search.connection import Connection, ElasticsearchAccess
from response_svc.search.standing import look
from tests.integration.search.fake_cluster import PRODUCT, Cluster, fault, running, text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from response_svc.search.answers import EngineHealth
    from tests.integration.search.fake_cluster import Handler

READ_ONLY = {"cluster": [], "indices": [{"names": ["cities"], "privileges": ["read"]}]}
NO_SECURITY = fault(400, "illegal_argument_exception", "no handler found for uri [/_security/x]")
FORBIDDEN = fault(403, "security_exception", "no")
KEY = fault(
    400, "illegal_argument_exception", "Cannot retrieve privileges for API keys with assigned role descriptors."
)


def served(**changed: Handler | dict[str, Any]) -> dict[str, Handler | dict[str, Any]]:
    """A cluster that is well, and an account that sees its health."""
    return {
        "_authenticate": {"username": "reader"},
        "health": {"status": "green"},
        "none": {"nodes": {"a": {"version": "9.5.3"}, "b": {"version": "9.5.3"}}},
        "_privileges": READ_ONLY,
    } | changed


@asynccontextmanager
async def seen(answers: Mapping[str, Handler | dict[str, Any]], **access: Any) -> AsyncIterator[EngineHealth]:
    """What is seen where the last part of each path has its answer."""

    async def handle(request: web.Request) -> web.StreamResponse:
        answer = answers[request.path.rsplit("/", 1)[1]]
        return await (text(200, json.dumps(answer)) if isinstance(answer, dict) else answer)(request)

    cluster = Cluster()
    cluster.handler = handle
    async with running(cluster) as address:
        connection = Connection(ElasticsearchAccess([address], **access))
        yield await look(connection)
        await connection.close()


async def test_a_good_cluster_and_a_good_account_are_no_matter() -> None:
    async with seen(served()) as health:
        assert (health.version, health.healthy, health.detail) == ("9.5.3", True, "status green")


async def test_nodes_of_two_versions_are_both_named() -> None:
    nodes = {"nodes": {"a": {"version": "8.19.21"}, "b": {"version": "9.5.3"}}}
    async with seen(served(none=nodes)) as health:
        assert (health.version, health.healthy) == ("8.19.21, 9.5.3", True)


@pytest.mark.parametrize("version", ["7.17.29", "10.0.0", "6.8.0", "x"])
async def test_another_version_is_refused_by_name(version: str) -> None:
    async with seen(served(none={"nodes": {"a": {"version": version}}})) as health:
        assert not health.healthy
        assert f"version {version} is not supported: 8 and 9 are" in health.detail


async def test_an_account_that_sees_no_health_is_as_it_should_be() -> None:
    async with seen(served(health=FORBIDDEN)) as health:
        assert (health.version, health.healthy, health.detail) == ("unknown", True, "reachable")


@pytest.mark.parametrize(
    ("held", "named"),
    [
        ({"cluster": [], "indices": [{"privileges": ["read"]}, {"privileges": ["write", "read"]}]}, "(write)"),
        ({"cluster": ["monitor", "manage"], "indices": []}, "(cluster:manage)"),
        ({"cluster": ["all"], "indices": [{"privileges": ["all"]}]}, "(all, cluster:all)"),
    ],
)
async def test_an_account_that_may_do_more_than_read_is_warned_of(held: dict[str, Any], named: str) -> None:
    async with seen(served(_privileges=held)) as health:
        assert health.healthy
        assert f"warning: the account may do more than read {named}; the service only reads" in health.detail


@pytest.mark.parametrize(
    ("told", "warned"),
    [
        ({"index": {"*": {"write": True, "manage": False}}, "cluster": {"manage": False}}, True),
        ({"index": {"*": {"write": False}}, "cluster": {"manage_security": True}}, True),
        ({"index": {"*": {"write": False}}, "cluster": {"manage": False}}, False),
        ({}, False),
    ],
)
async def test_a_key_is_asked_for_its_rights_one_by_one(told: dict[str, Any], warned: bool) -> None:
    async with seen(served(_privileges=KEY, _has_privileges=told), api_key="a2V5") as health:
        assert ("more than read" in health.detail) is warned


async def test_a_cluster_without_security_is_warned_of() -> None:
    async with seen(served(_authenticate=NO_SECURITY, _privileges=NO_SECURITY)) as health:
        assert health.healthy
        assert "warning: security is switched off there" in health.detail


async def test_an_old_server_that_knows_no_such_media_type_is_named() -> None:
    old = fault(406, "media_type_header_exception", "Invalid media-type value on headers [Accept]")
    async with seen(served(_authenticate=old)) as health:
        assert not health.healthy
        assert "version is not supported; an operator must run 8 or 9" in health.detail


@pytest.mark.parametrize(
    ("addresses", "open_to_all"),
    [
        (["http://search.example:9200"], True),
        (["http://127.0.0.1:9200", "http://10.0.0.1:9200"], True),
        (["http://127.0.0.1:9200"], False),
        (["http://localhost:9200"], False),
        (["http://[::1]:9200"], False),
        (["https://search.example:9200"], False),
    ],
)
async def test_a_secret_that_would_cross_the_network_in_the_open_is_known(
    addresses: list[str], open_to_all: bool
) -> None:
    for access, expected in (({"username": "reader"}, open_to_all), ({"api_key": "k"}, open_to_all), ({}, False)):
        connection = Connection(ElasticsearchAccess(addresses, **access))
        assert connection.tells_secrets is expected
        await connection.close()


async def test_garbage_in_place_of_rights_is_no_fault() -> None:
    async with seen(served(_privileges={"cluster": None, "indices": 7})) as health:
        assert health.detail == "status green"


async def test_a_node_that_gives_garbage_is_not_well() -> None:
    async def garbage(_: web.Request) -> web.StreamResponse:
        return web.Response(text="{", content_type="application/json", headers=PRODUCT)

    async with seen(served(_authenticate=garbage, health=garbage)) as health:
        assert not health.healthy
