"""What the admin says over REST on one network counts on both, with nothing restarted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from sandbox.clients import rest_client
from sandbox.crossing import cross
from sandbox.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from tests.e2e.doors.running import Running

ADMIN = "/api/v1/admin"
COUNTS_WITHIN = 10


@pytest.fixture
def admin(running: Running) -> httpx.Client:
    return running.admin.http


@pytest.fixture
def analyst(running: Running) -> Iterator[httpx.Client]:
    with rest_client(running.pair.request.envoy) as client:
        client.sign_in(running.analyst.person.username, running.analyst.person.password)
        yield client.http


def reason(answer: httpx.Response) -> str:
    found: str = answer.json()["details"][0]["reason"]
    return found


def ask(client: httpx.Client, body: object, index: str = "cities") -> httpx.Response:
    return client.post("/api/v1/requests", params={"index": index}, content=json.dumps(body))


def test_the_fields_of_an_allowed_index_crossed_and_a_mistake_costs_no_trip(
    admin: httpx.Client, analyst: httpx.Client
) -> None:
    fields = {one["name"]: one["type"] for one in admin.get(f"{ADMIN}/indices/cities").json()["index"]["fields"]}
    assert (fields["name"], fields["name.keyword"], fields["population"]) == ("text", "keyword", "long")
    refused = ask(analyst, {"query": {"range": {"popluation": {"gte": 1}}}})
    assert (refused.status_code, reason(refused)) == (400, "QUERY_INVALID")
    assert "did you mean population?" in refused.json()["message"]
    refused = ask(analyst, {"sort": "name"})
    assert "use name.keyword" in refused.json()["message"]


def test_a_setting_counts_on_the_other_network_once_it_was_carried(
    running: Running, admin: httpx.Client, analyst: httpx.Client
) -> None:
    path = f"{ADMIN}/settings/query.max_size"
    set_to = admin.patch(path, json={"int_value": 77})
    assert set_to.json()["setting"]["value"] == {"int_value": "77"}
    assert set_to.json()["setting"]["last_change"]["changed_by_username"] == "admin"
    cross("settings", running.searching, running.asking, running.pair.stick)
    wait_until(lambda: ask(analyst, {"size": 78}).status_code == 400, what="the setting", limit_seconds=COUNTS_WITHIN)
    refused = ask(analyst, {"size": 78})
    assert reason(refused) == "QUERY_LIMIT"
    assert admin.post(f"{path}:reset", json={}).json()["setting"]["is_default"]
    cross("settings", running.searching, running.asking, running.pair.stick)
    wait_until(lambda: ask(analyst, {"size": 78}).is_success, what="the default", limit_seconds=COUNTS_WITHIN)


def test_a_profile_type_is_made_changed_and_deleted(admin: httpx.Client) -> None:
    made = admin.post(f"{ADMIN}/profile-types", json={"name": "research", "indices": ["cities"], "priority": 6})
    assert made.json()["profile_type"]["indices"] == ["cities"]
    revision = made.json()["profile_type"]["last_change"]["revision"]
    changed = admin.patch(f"{ADMIN}/profile-types/research", json={"soft": True, "revision": revision})
    assert changed.json()["profile_type"]["soft"]
    late = admin.patch(f"{ADMIN}/profile-types/research", json={"priority": 9, "revision": revision})
    assert (late.status_code, reason(late)) == (400, "WRONG_STATE")
    wrong = admin.patch(f"{ADMIN}/profile-types/research", json={"indices": ["ciites"]})
    assert (wrong.status_code, reason(wrong)) == (400, "INVALID_FIELD")
    assert admin.delete(f"{ADMIN}/profile-types/research").is_success
    versions = admin.get(f"{ADMIN}/profile-types/research/versions").json()["versions"]
    assert ["profile_type" in version for version in versions] == [False, True, True]
    assert reason(admin.delete(f"{ADMIN}/profile-types/basic")) == "WRONG_STATE"


def test_the_catalogue_is_kept_over_rest(admin: httpx.Client) -> None:
    assert reason(admin.post(f"{ADMIN}/indices", json={"name": "cities"})) == "ALREADY_EXISTS"
    assert reason(admin.post(f"{ADMIN}/indices", json={"name": "no-such-index"})) == "NOT_FOUND"
    assert reason(admin.post(f"{ADMIN}/indices", json={"name": "cit*"})) == "INVALID_FIELD"
    assert admin.post(f"{ADMIN}/indices/cities:refresh", json={}).json()["changed"] is False
    assert admin.get(f"{ADMIN}/engine").json()["healthy"] is True
    assert admin.post(f"{ADMIN}/cache:invalidate", json={"index": "cities"}).is_success


def test_a_worker_that_starts_reads_the_fields_of_all_indices(admin: httpx.Client) -> None:
    jobs = {job["name"]: job for job in admin.get(f"{ADMIN}/jobs").json()["jobs"]}
    assert jobs["refresh_indices"]["last_succeeded"] is True


def test_nobody_but_the_admin_changes_the_policy(running: Running) -> None:
    person = running.stranger.person
    with rest_client(running.pair.response.envoy) as client:
        client.sign_in(person.username, person.password)
        assert reason(client.http.get(f"{ADMIN}/settings")) == "PERMISSION_MISSING"
    with rest_client(running.pair.response.envoy) as client:
        client.sign_in("courier", person.password)
        assert client.http.get(f"{ADMIN}/settings").is_success
        assert reason(client.http.patch(f"{ADMIN}/settings/query.max_size", json={"int_value": 1})) == (
            "PERMISSION_MISSING"
        )
