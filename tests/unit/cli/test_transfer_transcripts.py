"""What an operator sees, word for word: each transcript is a short session of the real command in a prepared folder.

A transcript holds lines that begin with `$ transfer`, each followed by all that the command prints and its exit code.
Starting Python takes most of a command's time, so most are played in this process and some in one of their own. Set
TRANSCRIPTS=write to write them anew, and read the difference.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.unit.cli.playing import in_a_process, in_this_process, played, without_digests

TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))
IN_A_PROCESS = {"trip", "wrong-usage"}


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=lambda path: path.stem)
def test_the_transcript_is_what_the_command_says(
    transcript: Path, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "station"
    shutil.copytree(prepared, folder, symlinks=True)
    monkeypatch.chdir(folder)
    told = transcript.read_text()
    play = in_a_process if transcript.stem in IN_A_PROCESS else in_this_process
    said = "\n".join(without_digests(played(line, folder, play)) for line in told.splitlines() if line.startswith("$ "))
    title = next(line for line in told.splitlines() if line.startswith("# "))
    if os.environ.get("TRANSCRIPTS") == "write":
        transcript.write_text(f"{title}\n\n{said}")
    assert transcript.read_text() == f"{title}\n\n{said}"
