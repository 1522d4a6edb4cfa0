"""`transfer write`: what `cat` prints can be sealed again, and what no receiver would take is refused by line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.cli.station import EPOCH, REQUEST, TABLE_STATE, USER, response

if TYPE_CHECKING:
    from tests.unit.cli.station import Result, Station


PROFILE_TYPE = {
    "profile_type": {
        "name": "premium",
        "rate_limit_per_minute": 60,
        "rate_limit_per_hour": 1000,
        "rate_limit_per_day": 10_000,
        "priority": 6,
        "soft": True,
        "query_kinds": ["*"],
        "indices": ["cities", "flights"],
        "max_result_bytes": 1_048_576,
        "revision": 2,
        "is_deleted": False,
    }
}
SETTINGS = [
    {"setting": {"key": "query.allow_leading_wildcard", "bool_value": False, "revision": 1, "is_deleted": False}},
    {"setting": {"key": "query.max_depth", "int_value": 12, "revision": 2, "is_deleted": False}},
    {"setting": {"key": "query.motto", "string_value": "سلام", "revision": 3, "is_deleted": False}},
    {"setting": {"key": "query.max_size", "revision": 4, "is_deleted": True}},
]
INDEX = {
    "index": {
        "name": "cities",
        "fields": [{"name": "name", "type": "text"}, {"name": "name.raw", "type": "keyword"}],
        "revision": 5,
        "is_deleted": False,
    }
}


def write(station: Station, kind: str, stdin: str | bytes, *more: object) -> Result:
    source = "request" if kind == "requests" else "response"
    key = station.keys.request_signing_key if source == "request" else station.keys.response_signing_key
    options = ("--kind", kind, "--source", source, "--epoch", EPOCH, "--sequence", 9, "--signing-key", key)
    return station.run("write", *options, *more, station.root / "out.pb.enc", stdin=stdin)


def lines(*records: dict[str, Any]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


@pytest.mark.parametrize(
    ("kind", "records"),
    [
        ("requests", [REQUEST, {"cancellation": {"request_id": "0192f0c1-0000-7000-8000-000000000001",
                                                 "cancelled_at": "2026-03-01T09:30:00.000001Z"}}]),
        ("responses", [response("{}"), response("x" * 131_072), response("x" * 131_073), response("y" * 900_000)]),
        ("users", [TABLE_STATE, USER]),
        ("users", [TABLE_STATE, {"user": {**USER["user"], "inherits": ["rate_per_day", "priority"],
                                          "session_version": 2}}]),
        ("profile_types", [TABLE_STATE, PROFILE_TYPE]),
        ("settings", [TABLE_STATE, *SETTINGS, INDEX]),
        ("status", []),
    ],
    ids=["requests", "responses", "users", "users-1.2", "profile_types", "settings", "status"],
)  # fmt: skip
def test_what_cat_prints_is_what_write_takes(station: Station, kind: str, records: list[dict[str, Any]]) -> None:
    bundle = station.seal(kind, *records, source="request" if kind == "requests" else "response")
    printed = station.run("cat", "--all", "--secrets", bundle).out
    assert write(station, kind, printed).code == 0
    assert station.run("cat", "--all", "--secrets", station.root / "out.pb.enc").out == printed


def test_acknowledgements_of_the_first_line_are_taken_over(station: Station) -> None:
    acknowledgements = {
        "acknowledgements": {
            "epoch": EPOCH,
            "cumulative": 3,
            "running_digest": "11" * 32,
            "above": [{"first": 5, "last": 6, "running_digest": "22" * 32}],
            "highest_seen": 6,
            "highest_digest": "33" * 32,
            "voided": [{"sequence": 2, "digest": "44" * 32}],
            "snapshots_wanted": ["users"],
            "reads_schema_minor": 0,
        }
    }
    assert write(station, "responses", lines(acknowledgements, response("{}"))).code == 0
    printed = station.run("cat", "--all", station.root / "out.pb.enc").lines
    assert printed[0] == acknowledgements


def test_a_folder_as_target_gives_the_usual_name(station: Station) -> None:
    bundle = station.seal("requests", REQUEST)
    assert bundle.name.startswith("requests_")
    sidecar = json.loads(bundle.with_name(f"{bundle.name}.meta.json").read_text())
    assert sidecar["record_count"] == 1


def changed(record: dict[str, Any], name: str, **fields: object) -> dict[str, Any]:
    return {name: {**record[name], **fields}}


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("requests", "[]\n", "line 1 is not a JSON object"),
        ("requests", "\n{", "line 2 is not a JSON object"),
        ("requests", '{"request": NaN}\n', "NaN is not JSON"),
        ("requests", '{"request": {}, "request": {}}\n', "a key stands twice"),
        ("requests", '{"request": {}, "cancellation": {}}\n', "exactly one key"),
        ("requests", "[" * 100_000, "nested too deeply"),
        ("requests", '{"request": ' + '{"search":' * 3000 + "1", "nested too deeply"),
        ("requests", '{"query": {}}\n', "is not a field"),
        ("requests", lines(changed(REQUEST, "request", prio=3)), "record.request.prio is not a field"),
        ("requests", lines(changed(REQUEST, "request", id="7")), "record.request.id must be a UUID"),
        ("requests", lines(changed(REQUEST, "request", created_at="yesterday")), "must be a time with its zone"),
        ("requests", lines(changed(REQUEST, "request", created_at="2026-03-01T09:00:00")), "must be a time with its"),
        ("requests", lines(changed(REQUEST, "request", priority=True)), "must be a whole number"),
        ("requests", lines(changed(REQUEST, "request", priority=2**40)), "out of range"),
        ("requests", lines(changed(REQUEST, "request", index="\udcff")), "not valid text"),
        ("requests", lines(REQUEST, changed(REQUEST, "request", priority=11)), "line 2: "),
        ("requests", lines(changed(REQUEST, "request", search={"size": 1001})), "line 1: "),
        ("requests", lines(response("{}")), "not for bundles of requests"),
        ("responses", lines(changed(response("{}"), "response", outcome="done")), "must be one of completed"),
        ("responses", lines(changed(response("{}"), "response", total_length=9)), "total_length or sha256"),
        ("users", lines(USER), "comes first"),
        ("settings", lines(TABLE_STATE, INDEX, SETTINGS[0]), "indices come after all settings"),
        ("profile_types", lines(TABLE_STATE, changed(PROFILE_TYPE, "profile_type", indices=["b", "a"])), "line 2: "),
        ("profile_types", lines(TABLE_STATE, changed(PROFILE_TYPE, "profile_type", priority=0)), "line 2: "),
        ("settings", lines(TABLE_STATE, SETTINGS[0], PROFILE_TYPE), "not for bundles of settings"),
        ("users", lines(TABLE_STATE, {"user": {k: v for k, v in USER["user"].items() if k != "hashed_password"}}),
         "--secrets"),
        ("status", lines(REQUEST), "not for bundles of status"),
    ],
)  # fmt: skip
def test_lines_that_no_receiver_would_take_are_refused_and_nothing_is_left(
    station: Station, kind: str, text: str, said: str
) -> None:
    result = write(station, kind, text.encode("utf-8", "backslashreplace"))
    assert result.code == 1
    assert said in result.err
    assert "next:" in result.err
    assert list(station.root.glob("*out.pb.enc*")) == []


def test_an_existing_file_is_not_overwritten(station: Station) -> None:
    (station.root / "out.pb.enc").write_bytes(b"mine")
    result = write(station, "requests", lines(REQUEST))
    assert result.code == 1
    assert "[file-exists]" in result.err
    assert (station.root / "out.pb.enc").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--kind", "results"), "the kinds are requests, responses"),
        (("--source", "moon"), "the networks are request and response"),
        (("--source", "response"), "does not travel"),
        (("--created-at", "noon"), "Invalid isoformat"),
        (("--created-at", "2026-03-01T09:00:00"), "has no time zone"),
        (("--batch-id", "7"), "badly formed"),
        (("--sequence", "0"), "greater than or equal to 1"),
    ],
)
def test_a_wrong_option_is_named(station: Station, options: tuple[str, str], said: str) -> None:
    result = write(station, "requests", lines(REQUEST), *options)
    assert result.code == 2
    assert said in result.err.replace("\n", " ")
    assert not (station.root / "out.pb.enc").exists()


def test_a_missing_signing_key_is_named(station: Station) -> None:
    options = ("--kind", "requests", "--source", "request", "--epoch", 1, "--sequence", 1)
    result = station.run("write", *options, station.root / "out.pb.enc", stdin="")
    assert result.code == 3
    assert "SIGNING_KEY_FILE" in result.err
