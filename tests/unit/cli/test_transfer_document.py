"""`docs/transfer.md` shows what the program says: its sessions are played, and its exit codes are those of the code.

Set TRANSCRIPTS=write to put the present answers into the document.
"""

from __future__ import annotations

import os
import re
import shutil
from typing import TYPE_CHECKING

from tests.unit.cli.playing import REPOSITORY, in_this_process, played, without_digests
from tests.unit.cli.service import PASSWORD, FakeService, serving
from transfer.cli.exits import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

DOCUMENT = REPOSITORY / "docs" / "transfer.md"
SESSION = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)


def test_every_session_is_what_the_command_says(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "station"
    shutil.copytree(prepared, folder, symlinks=True)
    monkeypatch.chdir(folder)
    (folder / "password").write_text(PASSWORD)
    service = FakeService(sorted((folder / "export" / "requests").glob("*.pb.enc")))
    document = DOCUMENT.read_text()
    with serving(service, "unix:service.sock"):
        said = SESSION.sub(lambda session: replayed(session[0], folder), document)
    if os.environ.get("TRANSCRIPTS") == "write":
        DOCUMENT.write_text(said)
    assert without_digests(DOCUMENT.read_text()) == without_digests(said)


def replayed(session: str, folder: Path) -> str:
    commands = [line for line in session.splitlines() if line.startswith("$ ")]
    return "".join(played(line, folder, in_this_process).replace("[exit code 0]\n", "") for line in commands)


def test_every_exit_code_is_listed() -> None:
    listed = re.findall(r"^\| (\d+) \| ([A-Z_]+) \|", DOCUMENT.read_text(), re.MULTILINE)
    assert {name: int(number) for number, name in listed} == {code.name: code.value for code in ExitCode}
