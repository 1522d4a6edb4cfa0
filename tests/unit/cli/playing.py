"""Plays sessions of the command in a prepared folder, so that what documents show is what the program says.

Keys are made afresh for each run, so digests and key ids are compared by their length only.
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

from typer.testing import CliRunner

from tests.unit.cli.station import REQUEST, TABLE_STATE, USER, Station
from transfer.bundle.keyring import generate_keys
from transfer.cli.program import app

if TYPE_CHECKING:
    from collections.abc import Callable

    from transfer.bundle.keyring import GeneratedKeys

    Player = Callable[[list[str], dict[str, str]], tuple[str, int]]

REPOSITORY = Path(__file__).parents[3]
COMMAND = [sys.executable, "-c", "from transfer.cli import main; main()"]
SETTINGS = {
    "ENCRYPTION_KEYRING_FILE": "keys/keyring.json",
    "PEER_SIGNING_KEYS_FILE": "trusted.pub",
    "EXPORT_DIR": "export",
    "IMPORT_DIR": "import",
    "AIRLOCK_OPERATOR": "mina",
    "COLUMNS": "100",
}


def prepare(root: Path, keys: GeneratedKeys) -> None:
    """Fills a folder with keys, an outbox with three bundles, media of several kinds and damaged files."""
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
    (root / "stick").mkdir()
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


def _damage(root: Path, content: bytes) -> None:
    for name, damaged in {
        "not-a-bundle": b"hello",
        "truncated": content[:-60],
        "appended": content + b"more",
        "flipped": content[:150] + bytes([content[150] ^ 1]) + content[151:],
    }.items():
        (root / f"{name}.pb.enc").write_bytes(damaged)


def played(line: str, folder: Path, play: Player) -> str:
    """Runs `$ NAME=value transfer …` and returns the line with all that was said."""
    words = shlex.split(line.removeprefix("$ "))
    at = words.index("transfer")
    settings = dict(word.split("=", 1) for word in words[:at])
    said, code = play(words[at + 1 :], SETTINGS | settings)
    told = said.replace(str(folder), "/station")
    lines = "".join(f"{one.rstrip()}\n" for one in told.splitlines())
    return f"{line}\n{lines}[exit code {code}]\n"


def in_a_process(arguments: list[str], settings: dict[str, str]) -> tuple[str, int]:
    """Both outputs, in their order, and the exit code of a real process."""
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


def in_this_process(arguments: list[str], settings: dict[str, str]) -> tuple[str, int]:
    """The same without the second that starting Python takes."""
    done = CliRunner().invoke(app, arguments, env=settings, prog_name="transfer")
    return done.output, done.exit_code


def without_digests(text: str) -> str:
    """The text with digests, key ids and what the time of day makes of it made equal."""
    text = re.sub(r"\b[0-9a-f]{64}\b", "<64 hexadecimal digits>", text)
    text = re.sub(r"\b[0-9a-f]{16}\b", "<key id>", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00", "<time>", text)
    return re.sub(r"\b\d+ (s|min|h|d)( \d+ (s|min|h))? ago", "<age>", text)
