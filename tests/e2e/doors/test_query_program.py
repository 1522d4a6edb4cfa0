"""The complete program of the query guide and its session with curl, against running networks."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.doors.running import ANALYST
from tests.e2e.doors.sessions import shown_in, steps
from tests.e2e.doors.test_readme_session import EXAMPLE_ID, Session

if TYPE_CHECKING:
    from tests.e2e.doors.running import Running

ROOT = Path(__file__).parents[3]
PROGRAM = ROOT / "docs" / "examples" / "ask.py"
GUIDE = ROOT / "docs" / "query-guide.md"
LIMIT_SECONDS = 120


def started(running: Running, password: str) -> subprocess.Popen[str]:
    """The program as somebody starts it, with nothing but what it asks for."""
    door = running.pair.request.envoy
    environment = {
        "PYTHONPATH": str(ROOT / "gen"),
        "URL": door.url,
        "CA": str(door.certificate.authority),
        "AIRLOCK_USERNAME": ANALYST.username,
        "AIRLOCK_PASSWORD": password,
    }
    return subprocess.Popen(
        [sys.executable, str(PROGRAM)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_the_program_asks_waits_and_reads(running: Running) -> None:
    with started(running, ANALYST.password) as program:
        assert program.stderr is not None
        try:
            first = program.stderr.readline()
            assert first.startswith("asked as "), first
            running.settle()
            said, complaint = program.communicate(timeout=LIMIT_SECONDS)
        finally:
            program.kill()
    assert program.returncode == 0, complaint
    (hit,) = json.loads(said)["hits"]["hits"]
    assert hit["_source"] == {"name": "Tehran", "population": 7153309}


def test_the_program_says_why_it_was_refused(running: Running) -> None:
    with started(running, "not the password") as program:
        _, complaint = program.communicate(timeout=LIMIT_SECONDS)
    assert program.returncode == 1
    assert complaint.startswith("refused: UNAUTHENTICATED: ")


@pytest.mark.skipif(shutil.which("curl") is None, reason="the session is one with curl, which is not on this machine")
def test_the_guides_session_goes_as_it_says(running: Running, tmp_path: Path) -> None:
    session = Session(running, tmp_path)
    for command, shown in steps(GUIDE.read_text()):
        said = session.run(command)
        assert shown_in(shown.replace(EXAMPLE_ID, "…"), said), f"{command}\nsaid\n{said}\nnot\n{shown}"
