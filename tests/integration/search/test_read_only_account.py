"""The account that the deployed script makes on a real server: it searches the named indices, and nothing else."""

from __future__ import annotations

import stat
from contextlib import ExitStack
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from response_svc.search.answers import EngineError
from response_svc.search.connection import ElasticsearchAccess
from response_svc.search.elasticsearch import ElasticsearchEngine
from sandbox.certificates import make_certificate
from tests.integration.search.fake_cluster import ask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

    from tests.integration.search.real import RealServer

pytestmark = pytest.mark.elasticsearch

PASSWORD = 'a "quoted\\" pässwörd'
BULK = '{"index":{}}\n{"n":1}\n'
FORBIDDEN = [
    ("POST", "/{index}/_doc", '{"n":1}'),
    ("PUT", "/{index}/_doc/1", '{"n":1}'),
    ("PUT", "/{index}/_create/1", '{"n":1}'),
    ("POST", "/{index}/_update/1", '{"doc":{"n":1}}'),
    ("DELETE", "/{index}/_doc/1", ""),
    ("PUT", "/airlock-contract-new", ""),
    ("DELETE", "/{index}", ""),
    ("POST", "/{index}/_close", ""),
    ("POST", "/{index}/_refresh", ""),
    ("POST", "/{index}/_forcemerge", ""),
    ("PUT", "/{index}/_mapping", '{"properties":{"x":{"type":"long"}}}'),
    ("PUT", "/{index}/_settings", '{"index.blocks.write":true}'),
    ("POST", "/_aliases", '{"actions":[{"add":{"index":"{index}","alias":"airlock-contract-a"}}]}'),
    ("PUT", "/{index}/_alias/airlock-contract-a", ""),
    ("PUT", "/_index_template/t", '{"index_patterns":["x-*"]}'),
    ("PUT", "/_component_template/t", '{"template":{}}'),
    ("PUT", "/_scripts/s", '{"script":{"lang":"painless","source":"1"}}'),
    ("PUT", "/_ingest/pipeline/p", '{"processors":[]}'),
    ("GET", "/_snapshot", ""),
    ("PUT", "/_snapshot/s", '{"type":"fs","settings":{"location":"/tmp/x"}}'),
    ("GET", "/_cat/indices", ""),
    ("GET", "/_cluster/settings", ""),
    ("PUT", "/_cluster/settings", '{"persistent":{"search.max_buckets":1}}'),
    ("GET", "/_cluster/health", ""),
    ("GET", "/_cluster/state", ""),
    ("GET", "/_nodes", ""),
    ("GET", "/_tasks", ""),
    ("GET", "/_security/user", ""),
    ("GET", "/_security/role", ""),
    ("PUT", "/_security/user/x", '{"password":"123456","roles":["superuser"]}'),
    ("PUT", "/_security/role/{role}", '{"cluster":["all"]}'),
    ("POST", "/_security/api_key", '{"name":"x"}'),
    ("GET", "/{index}/_mapping", ""),
    ("GET", "/{index}/_settings", ""),
    ("GET", "/{other}/_search", ""),
    ("GET", "/{other}/_field_caps?fields=*", ""),
    ("GET", "/{index},{other}/_search", ""),
    ("GET", "/.security/_search", ""),
]  # fmt: skip
REFUSED_INSIDE = [("POST", "/_bulk"), ("POST", "/{index}/_bulk")]
EVERYTHING = ["/_search", "/_all/_search", "/*/_search", "/airlock-*/_search", "/*,-{other}/_search"]


class Account:
    """What was made, beside an index that it may read and one that it may not."""

    def __init__(self, server: RealServer, folder: Path, index: str, other: str) -> None:
        self.server = server
        self.folder = folder
        self.index = index
        self.other = other
        self.user = f"airlock-{uuid4().hex[:8]}"
        self.password_file = folder / "password"
        self.password_file.write_text(PASSWORD)

    def make(self, *arguments: str) -> str:
        done = self.server.make_reader(
            self.folder, "--role", self.user, "--user", self.user, "--password-file", str(self.password_file),
            *(arguments or (self.index,)),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def fits(self, text: str) -> str:
        return text.replace("{index}", self.index).replace("{other}", self.other).replace("{role}", self.user)

    def client(self) -> httpx.Client:
        return self.server.client(auth=(self.user, PASSWORD))


@pytest.fixture(scope="module")
def account(server: RealServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with ExitStack() as stack:
        index = stack.enter_context(server.index(documents=3))
        other = stack.enter_context(server.index(documents=5))
        account = Account(server, tmp_path_factory.mktemp("account"), index, other)
        said = account.make()
        assert f"user {account.user}: created" in said
        assert f"ELASTICSEARCH_USERNAME={account.user}" in said
        assert f"ELASTICSEARCH_PASSWORD_FILE={account.password_file}" in said
        assert PASSWORD not in said
        yield account


async def test_it_searches_its_index_and_reads_its_fields(account: Account, server: RealServer) -> None:
    engine = ElasticsearchEngine(server.access(account.user, PASSWORD))
    assert (await ask(engine, index=account.index)).hit_count == 3
    assert "n" in await engine.fields(account.index)
    with pytest.raises(EngineError, match="role"):
        await ask(engine, index=account.other)
    health = await engine.check()
    assert health.healthy
    assert "warning" not in health.detail
    await engine.close()


@pytest.mark.parametrize(("method", "path", "body"), FORBIDDEN)
def test_the_server_refuses_it_everything_else(account: Account, method: str, path: str, body: str) -> None:
    with account.client() as client:
        headers = {"content-type": "application/json"}
        answer = client.request(method, account.fits(path), content=account.fits(body), headers=headers)
    # What this server does not have at all is told before the account is looked at.
    assert answer.status_code == 403 or "no handler found" in answer.text, answer.text


@pytest.mark.parametrize(("method", "path"), REFUSED_INSIDE)
def test_the_server_refuses_each_line_of_a_bulk(account: Account, method: str, path: str) -> None:
    lines = BULK if "{index}" in path else BULK.replace("{}", f'{{"_index":"{account.index}"}}', 1)
    with account.client() as client:
        answer = client.request(
            method, account.fits(path), content=lines, headers={"content-type": "application/x-ndjson"}
        )
    if answer.is_success:
        assert [item["index"]["status"] for item in answer.json()["items"]] == [403]
    else:
        assert answer.status_code == 403


@pytest.mark.parametrize("path", EVERYTHING)
def test_a_search_of_everything_is_answered_from_its_own_index_only(account: Account, path: str) -> None:
    with account.client() as client:
        answer = client.get(account.fits(path))
    assert answer.status_code in {200, 403}
    if answer.is_success:
        assert {hit["_index"] for hit in answer.json()["hits"]["hits"]} == {account.index}


def test_nothing_was_changed_by_all_this(account: Account, server: RealServer) -> None:
    server.ask("POST", f"/{account.index}/_refresh")
    assert server.ask("GET", f"/{account.index}/_count")["count"] == 3
    assert server.admin.get("/airlock-contract-new").status_code == 404


def test_run_again_it_takes_away_what_is_no_longer_named(account: Account) -> None:
    assert "updated" in account.make(account.other)
    with account.client() as client:
        assert client.get(f"/{account.index}/_search").status_code == 403
        assert client.get(f"/{account.other}/_search").status_code == 200
    account.make(account.index)
    with account.client() as client:
        assert client.get(f"/{account.other}/_search").status_code == 403


def test_without_a_file_the_password_is_kept(account: Account, server: RealServer) -> None:
    done = server.make_reader(account.folder, "--role", account.user, "--user", account.user, account.index)
    assert done.returncode == 0, done.stderr
    assert "with the password it had" in done.stdout
    with account.client() as client:
        assert client.get(f"/{account.index}/_search").status_code == 200


def test_with_monitor_it_also_sees_the_clusters_health(account: Account) -> None:
    account.make("--monitor", account.index)
    with account.client() as client:
        assert client.get("/_cluster/health").status_code == 200
        assert client.put("/_cluster/settings", json={"persistent": {"search.max_buckets": 1}}).status_code == 403
    account.make(account.index)


def test_an_index_that_is_not_there_is_noted(account: Account) -> None:
    assert "note: there is no index airlock-nowhere yet" in account.make(account.index, "airlock-nowhere")
    account.make(account.index)


def test_an_account_that_somebody_else_made_is_left_alone(account: Account, server: RealServer) -> None:
    name = f"human-{uuid4().hex[:8]}"
    server.ask("PUT", f"/_security/user/{name}", {"password": "not-to-change", "roles": ["superuser"]})
    server.ask("PUT", f"/_security/role/{name}", {"cluster": ["all"]})
    for arguments in (("--user", name), ("--role", name, "--user", account.user)):
        done = server.make_reader(account.folder, "--password-file", str(account.password_file), *arguments, "a")
        assert done.returncode == 1
        assert "not made by this script" in done.stderr
    assert server.ask("GET", f"/_security/user/{name}")[name]["roles"] == ["superuser"]
    server.ask("DELETE", f"/_security/user/{name}")
    server.ask("DELETE", f"/_security/role/{name}")


async def test_an_api_key_is_made_once_limited_and_brought_up_to_date(account: Account, server: RealServer) -> None:
    out, name = account.folder / "api-key", f"key-{uuid4().hex[:8]}"
    done = server.make_reader(account.folder, "--api-key", name, "--out", str(out), account.index)
    assert done.returncode == 0, done.stderr
    assert f"ELASTICSEARCH_API_KEY_FILE={out}" in done.stdout
    assert out.read_text() not in done.stdout
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    engine = ElasticsearchEngine(ElasticsearchAccess([server.url], api_key=out.read_text(), ca_file=server.authority))
    assert (await ask(engine, index=account.index)).hit_count == 3
    with pytest.raises(EngineError, match="role"):
        await ask(engine, index=account.other)
    health = await engine.check()
    assert health.healthy
    assert "warning" not in health.detail
    done = server.make_reader(account.folder, "--api-key", name, "--out", str(out), account.other)
    assert done.returncode == 0, done.stderr
    assert (await ask(engine, index=account.other)).hit_count == 5
    await engine.close()
    with server.client(headers={"authorization": f"ApiKey {out.read_text()}"}) as client:
        assert client.post(f"/{account.other}/_doc", json={"n": 1}).status_code == 403
        assert client.get("/_cluster/health").status_code == 403
        assert client.get(f"/{account.index}/_search").status_code == 403


@pytest.mark.parametrize("way", ["password", "key"])
async def test_a_secret_that_is_not_accepted_is_a_matter_for_an_operator(server: RealServer, way: str) -> None:
    wrong = {"username": "nobody", "password": "wrong"} if way == "password" else {"api_key": "bm90OmFrZXk="}
    engine = ElasticsearchEngine(ElasticsearchAccess([server.url], **wrong, ca_file=server.authority))
    with pytest.raises(EngineError, match="an operator must check ELASTICSEARCH_") as failed:
        await ask(engine)
    assert failed.value.may_pass
    assert not (await engine.check()).healthy
    await engine.close()


async def test_an_account_that_may_do_more_than_read_is_warned_of(server: RealServer, account: Account) -> None:
    engine = ElasticsearchEngine(server.access())
    health = await engine.check()
    assert "warning: the account may do more than read (all, cluster:all)" in health.detail
    assert health.version.split(".")[0] in {"8", "9"}
    await engine.close()
    made = server.ask("POST", "/_security/api_key", {"name": "too-much"})
    engine = ElasticsearchEngine(ElasticsearchAccess([server.url], api_key=made["encoded"], ca_file=server.authority))
    assert "may do more than read" in (await engine.check()).detail
    await engine.close()


async def test_the_wrong_authority_and_none_are_refused_by_the_service(server: RealServer, tmp_path: Path) -> None:
    other = make_certificate(tmp_path).authority
    engine = ElasticsearchEngine(ElasticsearchAccess([server.url], "reader", "x", ca_file=other))
    with pytest.raises(EngineError, match="ELASTICSEARCH_CA_FILE"):
        await ask(engine)
    await engine.close()
