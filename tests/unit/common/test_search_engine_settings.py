"""How the service is let in by the search engine is settled at the start: half a way, or two at once, are refused."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from common.settings_search import SearchEngineSettings
from common.settings_sources import problems_of
from sandbox.certificates import make_certificate

if TYPE_CHECKING:
    from pathlib import Path

KEY = base64.b64encode(b"VuaCfGcBCdbkQm-e5aOx:ui2lp2axTNmsyakw9tvNnw").decode()
URL = {"elasticsearch_url": "https://a:9200,https://b:9200"}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SearchEngineSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def problems(**values: Any) -> dict[str, str]:
    with pytest.raises(ValidationError) as refused:
        SearchEngineSettings(**values)
    found = problems_of(refused.value, SearchEngineSettings.model_fields)
    assert all(problem.next_step.endswith(".") for problem in found)
    return {problem.variable: problem.cause for problem in found}


def test_nothing_is_needed_for_the_built_in_engine() -> None:
    assert SearchEngineSettings().elasticsearch_url is None


@pytest.mark.parametrize(
    "values",
    [
        {"elasticsearch_username": "reader", "elasticsearch_password": "پاس:wörd"},
        {"elasticsearch_api_key": KEY},
        {},
    ],
)
def test_there_are_three_ways_to_be_let_in(values: dict[str, str]) -> None:
    settings = SearchEngineSettings(**URL, **values)
    assert settings.elasticsearch_url == URL["elasticsearch_url"]


@pytest.mark.parametrize(
    ("values", "variable", "told"),
    [
        ({"elasticsearch_username": "reader"}, "ELASTICSEARCH_PASSWORD", "without it"),
        ({"elasticsearch_password": "x"}, "ELASTICSEARCH_PASSWORD", "without ELASTICSEARCH_USERNAME"),
        ({"elasticsearch_username": "a:b", "elasticsearch_password": "x"}, "ELASTICSEARCH_USERNAME", "pattern"),
        (
            {"elasticsearch_username": "a", "elasticsearch_password": "x", "elasticsearch_api_key": KEY},
            "ELASTICSEARCH_API_KEY",
            "both",
        ),
        ({"elasticsearch_api_key": "VuaCfGcBCdbkQm:ui2lp2axTN"}, "ELASTICSEARCH_API_KEY", "not the base64"),
        ({"elasticsearch_api_key": f"{KEY}\n"}, "ELASTICSEARCH_API_KEY", "not the base64"),
        ({"elasticsearch_api_key": base64.b64encode(b"nocolon").decode()}, "ELASTICSEARCH_API_KEY", "not the base64"),
        ({"elasticsearch_api_key": "abcde"}, "ELASTICSEARCH_API_KEY", "not the base64"),
    ],
)
def test_half_an_account_and_two_at_once_are_refused(values: dict[str, str], variable: str, told: str) -> None:
    found = problems(**URL, **values)
    assert set(found) == {variable}
    assert told in found[variable]


def test_an_authority_must_be_a_certificate_in_pem_that_can_be_read(tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    assert SearchEngineSettings(**URL, elasticsearch_ca_file=made.authority).elasticsearch_ca_file == made.authority
    (tmp_path / "text.pem").write_text("no certificate")
    for path, told in (
        (tmp_path / "nowhere.pem", "there is no file"),
        (tmp_path, "there is no file"),
        (tmp_path / "text.pem", "no certificate in PEM"),
        (made.private_key, "no certificate in PEM"),
    ):
        assert told in problems(**URL, elasticsearch_ca_file=path)["ELASTICSEARCH_CA_FILE"]


def test_an_authority_for_http_would_check_nothing_and_is_refused(tmp_path: Path) -> None:
    authority = make_certificate(tmp_path).authority
    found = problems(elasticsearch_url="http://a:9200", elasticsearch_ca_file=authority)
    assert "nothing would be checked" in found["ELASTICSEARCH_CA_FILE"]


def test_all_that_is_wrong_is_told_at_once() -> None:
    found = problems(
        elasticsearch_url="https://u:p@a", elasticsearch_username="reader", elasticsearch_ca_file="nowhere.pem"
    )
    assert set(found) == {"ELASTICSEARCH_URL", "ELASTICSEARCH_PASSWORD", "ELASTICSEARCH_CA_FILE"}
