"""What an operator sees, word for word: each transcript is a short session of the real command in a prepared folder.

A transcript holds lines that begin with `$ transfer`, each followed by all that the command prints and its exit code.
Keys are made afresh for each run, so digests are compared by their length only. Starting Python takes most of a
command's time, so most are played in this process and some in one of their own. Set TRANSCRIPTS=write to write them
anew, and read the difference.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from station import REQUEST, TABLE_STATE, USER, Station
from typer.testing import CliRunner

from transfer.bundle.keyring import generate_keys
from transfer.cli.program import app

if TYPE_CHECKING:
    from collections.abc import Callable

    from transfer.bundle.keyring import GeneratedKeys

TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))
REPOSITORY = Path(__file__).parents[3]
COMMAND = [sys.executable, "-c", "from transfer.cli import main; main()"]
SETTINGS = {
    "ENCRYPTION_KEYRING_FILE": "keys/keyring.json",
    "PEER_SIGNING_KEYS_FILE": "trusted.pub",
    "EXPORT_DIR": "export",
    "IMPORT_DIR": "import",
    "COLUMNS": "100",
}
IN_A_PROCESS = {"trip", "wrong-usage"}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, keys: GeneratedKeys) -> Path:
    """A folder with keys, an outbox with three bundles, and media of several kinds."""
    root = tmp_path_factory.mktemp("prepared") / "station"
    root.mkdir()
    station = Station(root, keys)
    shutil.copytree(keys.keyring.parent, root / "keys")
    generate_keys(root / "other-keys")
    station.outbox.rename(root / "export")
    station.inbox.rename(root / "import")
    waiting = [
        station.seal("requests", REQUEST, into=root / "export" / "requests"),
        station.seal("requests", REQUEST, into=root / "export" / "requests"),
        station.seal("status", source="request", into=root / "export" / "status"),
    ]
    station.seal("users", TABLE_STATE, USER, into=root / "from-response")
    shutil.copytree(root / "from-response", root / "both-ways")
    shutil.copy(waiting[0], root / "both-ways")
    shutil.copy(waiting[0], root / "sound.pb.enc")
    _damage(root, waiting[0].read_bytes())
    hostile = root / "hostile"
    hostile.mkdir()
    shutil.copy(waiting[0], hostile)
    (hostile / "passwords.pb.enc").symlink_to("/etc/passwd")
    (hostile / "folder").symlink_to(root)
    (hostile / "System Volume Information").write_bytes(b"")
    (hostile / "\x1b[31mred").write_bytes(b"")
    shutil.copy(root / "truncated.pb.enc", hostile)
    (root / "requests.jsonl").write_text(json.dumps(REQUEST) + "\n")
    (root / "misspelt.jsonl").write_text(json.dumps({"request": {**REQUEST["request"], "prio": 3}}) + "\n")
    return root


def _damage(root: Path, content: bytes) -> None:
    for name, damaged in {
        "not-a-bundle": b"hello",
        "truncated": content[:-60],
        "appended": content + b"more",
        "flipped": content[:150] + bytes([content[150] ^ 1]) + content[151:],
    }.items():
        (root / f"{name}.pb.enc").write_bytes(damaged)


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=lambda path: path.stem)
def test_the_transcript_is_what_the_command_says(
    transcript: Path, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "station"
    shutil.copytree(prepared, folder, symlinks=True)
    monkeypatch.chdir(folder)
    told = transcript.read_text()
    play = _in_a_process if transcript.stem in IN_A_PROCESS else _in_this_process
    played = "\n".join(_played(line, folder, play) for line in told.splitlines() if line.startswith("$ "))
    title = next(line for line in told.splitlines() if line.startswith("# "))
    if os.environ.get("TRANSCRIPTS") == "write":
        transcript.write_text(f"{title}\n\n{played}")
    assert transcript.read_text() == f"{title}\n\n{played}"


def _played(line: str, folder: Path, play: Callable[[list[str], dict[str, str]], tuple[str, int]]) -> str:
    """Runs `$ NAME=value transfer …` and returns the line with all that was said."""
    words = shlex.split(line.removeprefix("$ "))
    at = words.index("transfer")
    settings = dict(word.split("=", 1) for word in words[:at])
    said, code = play(words[at + 1 :], SETTINGS | settings)
    told = _without_digests(said).replace(str(folder), "/station")
    lines = "".join(f"{one.rstrip()}\n" for one in told.splitlines())
    return f"{line}\n{lines}[exit code {code}]\n"


def _in_a_process(arguments: list[str], settings: dict[str, str]) -> tuple[str, int]:
    path = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "gen")])
    done = subprocess.run(
        [*COMMAND, *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": path, "LANG": "C.UTF-8"} | settings,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        check=False,
    )
    return done.stdout.decode(), done.returncode


def _in_this_process(arguments: list[str], settings: dict[str, str]) -> tuple[str, int]:
    done = CliRunner().invoke(app, arguments, env=settings, prog_name="transfer")
    return done.output, done.exit_code


def _without_digests(text: str) -> str:
    text = re.sub(r"\b[0-9a-f]{64}\b", "<64 hexadecimal digits>", text)
    return re.sub(r"\b[0-9a-f]{16}\b", "<key id>", text)
