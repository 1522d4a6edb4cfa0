"""The script that makes a read-only account refuses what could permit more, and shows its requests unsent."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

SCRIPT = Path(__file__).parents[3] / "deploy" / "elasticsearch" / "make-reader.sh"
URL = ("--url", "https://search.example:9200")
USER = ("--user", "airlock")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(SCRIPT), *arguments], capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"}
    )


def test_a_dry_run_shows_every_request_and_no_secret(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("hunter2")
    done = run(*URL, "--dry-run", *USER, "--password-file", str(password), "logs", "b")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "GET https://search.example:9200/_security/role/airlock-reader",
        "GET https://search.example:9200/_security/user/airlock",
        "PUT https://search.example:9200/_security/role/airlock-reader",
        '  {"cluster":[],"indices":[{"names":["logs","b"],"privileges":["read"]}],"metadata":{"made_by":"airlock"}}',
        "PUT https://search.example:9200/_security/user/airlock",
        '  {"password":"<not shown>","roles":["airlock-reader"],"metadata":{"made_by":"airlock"}}',
    ]


def test_a_dry_run_of_a_key_permits_reading_and_what_was_asked_for(tmp_path: Path) -> None:
    out = tmp_path / "key"
    done = run(*URL, "--dry-run", "--monitor", "--expires", "365d", "--api-key", "airlock", "--out", str(out), "logs")
    assert done.returncode == 0
    assert (
        '"expiration":"365d","role_descriptors":{"airlock-reader":{"cluster":["monitor"],'
        '"indices":[{"names":["logs"],"privileges":["read"]}]}}' in done.stdout
    )
    assert not out.exists()


@pytest.mark.parametrize("name", ["*", "logs-*", "l?gs"])
def test_a_name_for_many_indices_is_refused_unless_that_is_asked_for(name: str) -> None:
    done = run(*URL, "--dry-run", *USER, "good", name)
    assert done.returncode == 2
    assert "--allow-patterns" in done.stderr
    assert run(*URL, "--dry-run", "--allow-patterns", *USER, "good", name).returncode == 0


@pytest.mark.parametrize(
    "name",
    [
        "", "a,b", "/.*/", "-a", ".security", "_all", "<logs-{now/d}>", "a b", "a\tb", "a\nb", "remote:a", "A", "a..b",
        "a%2fb", 'a"b', "a\\b", "a|b", "a#b",
    ],
)  # fmt: skip
def test_what_is_no_name_of_one_index_is_refused(name: str) -> None:
    assert run(*URL, "--dry-run", *USER, "--", name).returncode == 2
    done = run(*URL, "--dry-run", "--allow-patterns", *USER, "--", name)
    assert done.returncode == 2
    assert "no name of one index" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((*USER, "a"), "--url"),
        (("--url", "search.example", *USER, "a"), "--url"),
        (("--url", "https://u:p@a", *USER, "a"), "holds a name or a password"),
        ((*URL, *USER), "at least one index"),
        ((*URL, "a"), "--user NAME or --api-key NAME"),
        ((*URL, *USER, "--api-key", "k", "--out", "f", "a"), "not both"),
        ((*URL, "--api-key", "k", "a"), "--out FILE"),
        ((*URL, "--user", "a/b", "a"), "other characters"),
        ((*URL, "--user", 'a"b', "a"), "other characters"),
        ((*URL, "--user", "elastic", "a"), "another than the admin"),
        ((*URL, "--role", "", *USER, "a"), "--role needs a value"),
        ((*URL, "--ca", "/nowhere.pem", *USER, "a"), "cannot be read"),
        ((*URL, "--force", *USER, "a"), "no option --force"),
        ((*URL, *USER, "a", "--monitor"), "options stand before"),
        ((*URL, *USER, "--admin-password-file", "/nowhere", "a"), "cannot be read"),
    ],
)
def test_what_is_asked_for_wrongly_is_refused_with_the_next_step(arguments: Sequence[str], told: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert told in done.stderr


def test_the_script_needs_no_shell_but_a_plain_one_and_no_program_but_curl() -> None:
    text = SCRIPT.read_text()
    assert text.startswith("#!/bin/sh\n")
    for word in ("jq", "python", "[[ ", "local ", "${!", "<<<"):
        assert word not in text


def test_without_a_terminal_a_file_with_the_password_is_asked_for() -> None:
    done = subprocess.run(
        ["sh", str(SCRIPT), "--url", "https://127.0.0.1:1", *USER, "logs"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "give it in a file" in done.stderr
    assert "/dev/tty" not in done.stderr
