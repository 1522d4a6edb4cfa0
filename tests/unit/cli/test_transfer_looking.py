"""`transfer inspect`, `verify` and `cat`: what a file claims, whether it is true, and what is inside."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.unit.cli.station import EPOCH, REQUEST, TABLE_STATE, USER, response
from transfer.bundle.keyring import generate_keys

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.station import Station


def flipped(path: Path, place: int) -> Path:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    other = path.with_name("flipped.pb.enc")
    other.write_bytes(content)
    return other


def test_inspect_needs_no_keys_and_says_that_nothing_is_verified(station: Station) -> None:
    bundle = station.seal("requests", REQUEST)
    result = station.run("inspect", bundle, ENCRYPTION_KEYRING_FILE=None, PEER_SIGNING_KEYS_FILE=None)
    assert result.code == 0
    assert "requests, from request to response" in result.out
    assert f"epoch {EPOCH}, number 1" in result.out
    assert "not verified" in result.out


def test_inspect_as_json_has_header_sizes_and_signer(station: Station) -> None:
    bundle = station.seal("requests", REQUEST)
    (document,) = station.run("inspect", "--json", bundle).document
    assert document["verified"] is False
    assert document["header"]["kind"] == "requests"
    assert document["header"]["epoch"] == EPOCH
    assert document["size_bytes"] == bundle.stat().st_size
    parts = document["header_bytes"] + document["payload_bytes"] + document["trailer_bytes"]
    assert parts + 16 == document["size_bytes"]
    assert len(document["signatures"][0]["key_id"]) == 64


def test_several_files_are_all_tried_and_the_first_failure_decides(station: Station) -> None:
    bundle = station.seal("requests", REQUEST)
    readme = station.root / "readme.txt"
    readme.write_text("hello")
    result = station.run("inspect", "--json", station.root / "absent", readme, bundle)
    assert result.code == 3
    assert [one.get("error", {}).get("defect") for one in result.document] == ["file-unusable", "not-a-bundle", None]


@pytest.mark.parametrize("command", ["inspect", "verify"])
def test_sidecars_beside_the_bundles_are_passed_over(station: Station, command: str) -> None:
    bundle = station.seal("requests", REQUEST)
    sidecar = bundle.with_name(f"{bundle.name}.meta.json")
    sidecar.write_text("{}")
    result = station.run(command, "--json", bundle, sidecar)
    assert result.code == 0
    assert [one["path"] for one in result.document] == [str(bundle)]
    assert station.run(command, sidecar).code == 1, "one that is asked for by itself is looked at"


def test_verify_opens_the_payload_when_a_keyring_is_given(station: Station) -> None:
    bundle = station.seal("responses", response("x" * 700_000))
    (document,) = station.run("verify", "--json", bundle).document
    assert document["verified"] is True
    assert document["payload"]["records"] == 1
    assert document["payload"]["chunks"] == 3
    without = station.run("verify", bundle, ENCRYPTION_KEYRING_FILE=None)
    assert without.code == 0
    assert "payload not opened" in without.out


def test_a_key_from_the_environment_is_version_one(station: Station) -> None:
    bundle = station.seal("requests", REQUEST)
    key = json.loads(station.keys.keyring.read_text())["keys"]["v1"]
    result = station.run("verify", bundle, ENCRYPTION_KEYRING_FILE=None, ENCRYPTION_KEY=key)
    assert result.code == 0
    assert "payload whole: 1 record" in result.out


@pytest.mark.parametrize("command", ["verify", "cat"])
def test_a_wrong_key_is_named(station: Station, command: str) -> None:
    bundle = station.seal("requests", REQUEST)
    other = generate_keys(station.root / "other")
    result = station.run(command, bundle, "--keyring", other.keyring)
    assert result.code == 1
    assert "[wrong-key]" in result.err
    assert result.out == ""


@pytest.mark.parametrize("command", ["verify", "cat"])
def test_an_unknown_signer_is_refused_before_anything_is_read(station: Station, command: str) -> None:
    bundle = station.seal("requests", REQUEST)
    other = generate_keys(station.root / "other")
    result = station.run(command, bundle, "--peer-keys", other.request_public_key)
    assert result.code == 1
    assert "[unknown-signer]" in result.err
    assert "PEER_SIGNING_KEYS_FILE" in result.err
    assert result.out == ""


@pytest.mark.parametrize("place", [3, 20, 150, -10, -100])
def test_a_flipped_bit_anywhere_is_refused(station: Station, place: int) -> None:
    bundle = station.seal("requests", REQUEST)
    result = station.run("cat", flipped(bundle, place))
    assert result.code == 1
    assert "error: " in result.err
    assert "next:  " in result.err
    assert result.out == ""


def test_a_bundle_for_the_other_network_is_refused_where_asked_for(station: Station) -> None:
    bundle = station.seal("requests", REQUEST)
    assert station.run("verify", bundle, "--to", "response").code == 0
    result = station.run("verify", bundle, "--to", "request")
    assert result.code == 1
    assert "[wrong-direction]" in result.err


@pytest.mark.parametrize(
    ("command", "missing", "said"),
    [
        ("verify", "PEER_SIGNING_KEYS_FILE", "--peer-keys"),
        ("cat", "PEER_SIGNING_KEYS_FILE", "--peer-keys"),
        ("cat", "ENCRYPTION_KEYRING_FILE", "--keyring"),
    ],
)
def test_a_missing_key_is_named_with_its_option(station: Station, command: str, missing: str, said: str) -> None:
    bundle = station.seal("requests", REQUEST)
    settings: dict[str, str | None] = {missing: None}
    result = station.run(command, bundle, **settings)
    assert result.code == 3
    assert said in result.err


def test_cat_prints_ids_as_uuids_and_times_in_iso_8601(station: Station) -> None:
    bundle = station.seal("requests", REQUEST)
    result = station.run("cat", bundle)
    assert result.lines == [REQUEST]
    assert "تهران" in result.out


def test_hashed_passwords_are_printed_only_when_asked_for(station: Station) -> None:
    bundle = station.seal("users", TABLE_STATE, USER)
    assert "argon2" not in station.run("cat", bundle).out
    assert station.run("cat", "--secrets", bundle).lines == [TABLE_STATE, USER]


def test_a_long_answer_is_whole_on_its_line(station: Station) -> None:
    text = json.dumps({"hits": ["تهران \x7f \u2028 \U0001f600"] * 20_000}, ensure_ascii=False)
    bundle = station.seal("responses", response(text), response("{}"), response(""))
    lines = station.run("cat", bundle).lines
    assert [one["response"].get("data") for one in lines] == [text, "{}", None]


def test_an_answer_that_is_not_utf_8_survives_the_round_trip(station: Station) -> None:
    line = json.dumps(response("\udcff\udc80 and \udce2 at the end")).encode()
    first = station.root / "first.pb.enc"
    options = ("--kind", "responses", "--source", "response", "--epoch", EPOCH, "--signing-key")
    key = station.keys.response_signing_key
    assert station.run("write", *options, key, "--sequence", 1, first, stdin=line).code == 0
    (printed,) = station.run("cat", first).lines
    assert printed["response"]["data"].encode("utf-8", "surrogateescape") == b"\xff\x80 and \xe2 at the end"


def test_terminal_sequences_in_records_are_escaped(station: Station) -> None:
    bundle = station.seal("responses", response("\x1b[2J \x9b2J \u202e"))
    out = station.run("cat", bundle).out
    assert all(mark not in out for mark in ("\x1b", "\x9b", "\u202e"))
    assert json.loads(out)["response"]["data"] == "\x1b[2J \x9b2J \u202e"
