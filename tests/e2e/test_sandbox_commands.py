"""The sandbox's own commands: stopped in the middle they leave nothing behind, and they say so when nothing runs."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from pathlib import Path

import psutil
import pytest

from sandbox.processes import PROGRAMS

PROGRAM = str(PROGRAMS / "airlock-sandbox")
LIMIT_SECONDS = 60


@pytest.mark.timeout(300)
@pytest.mark.parametrize("moment", ["PostgreSQL", "sample data"])
def test_a_demo_that_is_interrupted_leaves_no_process_and_no_folder(moment: str) -> None:
    with tempfile.TemporaryDirectory(prefix="airlock-interrupted-") as folder:
        Path(folder).chmod(0o755)
        # Not measured: what is under test ends before it has anything to say.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
        environment = inherited | {"TMPDIR": folder, "PYTHONUNBUFFERED": "1"}
        demo = subprocess.Popen([PROGRAM, "demo"], stdout=subprocess.PIPE, text=True, env=environment)
        assert demo.stdout is not None
        with demo.stdout as lines:
            assert any(moment in line for line in lines)
            demo.send_signal(signal.SIGINT)
            said = lines.read()
        assert demo.wait(LIMIT_SECONDS) == 130
        assert "nothing is left running" in said
        assert list(Path(folder).iterdir()) == []
        assert not [process for process in psutil.process_iter(["cmdline"]) if mentions(process, folder)]


def test_status_and_down_say_that_nothing_runs(tmp_path: Path) -> None:
    for command, code in (("status", 1), ("down", 0)):
        done = subprocess.run(
            [PROGRAM, command, "--folder", str(tmp_path)], check=False, capture_output=True, text=True, timeout=30
        )
        assert (done.returncode, "Nothing runs here" in done.stdout) == (code, True)


def mentions(process: psutil.Process, text: str) -> bool:
    """Whether a process was started with this in its command line."""
    return any(text in part for part in process.info["cmdline"] or [])


def test_a_folder_that_cannot_be_used_is_named_in_one_line(tmp_path: Path) -> None:
    (taken := tmp_path / "taken").write_text("a file")
    done = subprocess.run(
        [PROGRAM, "up", "--folder", str(taken)], check=False, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 1
    assert "choose a folder" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
