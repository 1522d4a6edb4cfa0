"""Brings the sample data into a search engine: the built-in one, or a real Elasticsearch."""

from __future__ import annotations

import hashlib
import io
import json
import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import zstandard

from sandbox.errors import SandboxError
from sandbox.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = Path(__file__).parent / "data"
LOAD_SECONDS = 120
BULK_DOCUMENTS = 2_000

Mapping = dict[str, Any]

KEYWORD: Mapping = {"type": "keyword"}
LONG: Mapping = {"type": "long"}
DOUBLE: Mapping = {"type": "double"}
DATE: Mapping = {"type": "date"}
BOOLEAN: Mapping = {"type": "boolean"}
TEXT: Mapping = {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}}

MAPPINGS: dict[str, Mapping] = {
    "cities": {
        "dynamic": "strict",
        "properties": {
            "name": TEXT,
            "alternate_names": TEXT,
            "country_code": KEYWORD,
            "country": TEXT,
            "continent": KEYWORD,
            "languages": KEYWORD,
            "population": LONG,
            "latitude": DOUBLE,
            "longitude": DOUBLE,
            "timezone": KEYWORD,
            "is_capital": BOOLEAN,
        },
    },
    "flights": {
        "dynamic": "strict",
        "properties": {
            "scheduled_departure": DATE,
            "carrier": KEYWORD,
            "carrier_name": TEXT,
            "flight_number": LONG,
            "origin": KEYWORD,
            "origin_name": TEXT,
            "destination": KEYWORD,
            "destination_name": TEXT,
            "tail_number": KEYWORD,
            "manufacturer": TEXT,
            "model": KEYWORD,
            "distance_miles": LONG,
            "departure_delay": LONG,
            "arrival_delay": LONG,
            "air_time": LONG,
            "miles_per_hour": DOUBLE,
            "cancelled": BOOLEAN,
        },
    },
}


@dataclass(frozen=True, slots=True)
class ElasticsearchServer:
    """A real server and how to be let in; taken from the services' own settings."""

    url: str
    username: str = ""
    password: str = ""
    api_key: str = ""
    authority: str = ""

    @classmethod
    def from_environment(cls) -> ElasticsearchServer | None:
        """The server that ELASTICSEARCH_URL and its companions name; None without it."""
        url = os.environ.get("ELASTICSEARCH_URL", "")
        names = ("USERNAME", "PASSWORD", "API_KEY", "CA_FILE")
        return cls(url, *(os.environ.get(f"ELASTICSEARCH_{name}", "") for name in names)) if url else None

    def client(self) -> httpx.Client:
        """An HTTP client that is let in."""
        headers = {"authorization": f"ApiKey {self.api_key}"} if self.api_key else {}
        auth = httpx.BasicAuth(self.username, self.password) if self.username else None
        context = ssl.create_default_context(cafile=self.authority or None)
        # Of several addresses any is good enough to load the sample.
        first = self.url.split(",")[0].strip()
        return httpx.Client(base_url=first, headers=headers, auth=auth, verify=context, timeout=LOAD_SECONDS)


def documents(index: str) -> Iterator[dict[str, Any]]:
    """The sample's documents; `_id` is the id, the rest the source."""
    with (
        (DATA / f"{index}.jsonl.zst").open("rb") as file,
        zstandard.ZstdDecompressor().stream_reader(file) as stream,
    ):
        for line in io.TextIOWrapper(stream, encoding="utf-8"):
            yield json.loads(line)


def load_embedded(folder: Path) -> None:
    """Builds the built-in engine's indices in `folder`; one of this release that is there already is left as it is."""
    from response_svc.search.embedded import holds_index, load_index

    for index, mapping in MAPPINGS.items():
        if not holds_index(folder, index):
            load_index(folder, index, mapping, documents(index), replace=True)


def load_elasticsearch(server: ElasticsearchServer) -> None:
    """Makes the sample's indices on a real server unless they are there; refuses another index of such a name.

    Raises SandboxError, also when the server cannot be reached.
    """
    try:
        _load(server)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        cause = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise SandboxError(
            f"the Elasticsearch at {server.url} cannot be used ({cause}); correct ELASTICSEARCH_URL and its "
            f"companions, or unset it for the built-in engine"
        ) from error


def _load(server: ElasticsearchServer) -> None:
    with server.client() as client:
        for index, mapping in MAPPINGS.items():
            if _create(client, index, mapping):
                _fill(client, index)
            expected = sum(1 for _ in documents(index))
            # Another sandbox may be filling it at this moment.
            wait_until(
                lambda index=index, expected=expected: _count(client, index) == expected,  # type: ignore[misc]
                what=f"{expected} documents in the index {index} on {server.url}",
                limit_seconds=LOAD_SECONDS,
            )


def _create(client: httpx.Client, index: str, mapping: Mapping) -> bool:
    """Whether the index was made now; raises SandboxError if there is another of that name."""
    fingerprint = _fingerprint(index)
    body = {
        "settings": {"number_of_shards": 1, "number_of_replicas": 0},
        "mappings": mapping | {"_meta": {"airlock_sample": fingerprint}},
    }
    made = client.put(f"/{index}", json=body)
    if made.is_success:
        return True
    if made.status_code != httpx.codes.BAD_REQUEST or "resource_already_exists" not in made.text:
        raise SandboxError(f"{client.base_url} refused to make the index {index}: {made.text[:500]}")
    there = client.get(f"/{index}/_mapping").json()
    if there[index]["mappings"].get("_meta", {}).get("airlock_sample") != fingerprint:
        raise SandboxError(
            f"{client.base_url} has an index {index} that is not this sample; name another server "
            f"in ELASTICSEARCH_URL, or remove the index"
        )
    return False


def _fill(client: httpx.Client, index: str) -> None:
    lines: list[str] = []
    for document in documents(index):
        lines += (json.dumps({"index": {"_id": document.pop("_id")}}), json.dumps(document, ensure_ascii=False))
        if len(lines) >= 2 * BULK_DOCUMENTS:
            _bulk(client, index, lines)
            lines = []
    _bulk(client, index, lines)
    client.post(f"/{index}/_refresh").raise_for_status()
    # One segment, so that equal scores keep one order.
    client.post(f"/{index}/_forcemerge", params={"max_num_segments": "1"}).raise_for_status()
    client.post(f"/{index}/_refresh").raise_for_status()


def _bulk(client: httpx.Client, index: str, lines: list[str]) -> None:
    body = "\n".join([*lines, ""]).encode()
    answer = client.post(f"/{index}/_bulk", content=body, headers={"content-type": "application/x-ndjson"})
    if not answer.is_success or answer.json()["errors"]:
        raise SandboxError(f"{client.base_url} refused documents of {index}: {answer.text[:500]}")


def _count(client: httpx.Client, index: str) -> int:
    answer = client.get(f"/{index}/_count")
    return int(answer.json()["count"]) if answer.is_success else -1


def _fingerprint(index: str) -> str:
    return hashlib.sha256((DATA / f"{index}.jsonl.zst").read_bytes() + repr(MAPPINGS[index]).encode()).hexdigest()
