"""The first session in the README, command for command, against running networks: what it shows is what comes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sandbox.clients import rest_client
from sandbox.processes import PROGRAMS
from sandbox.profile import PROFILE, write_profile
from tests.e2e.doors.running import ANALYST, COURIER
from tests.e2e.doors.sessions import shown_in, steps

if TYPE_CHECKING:
    from sandbox.envoy import Envoy
    from tests.e2e.doors.running import Running

README = Path(__file__).parents[3] / "README.md"
# The id in the README stands for the one that the first command was told.
EXAMPLE_ID = "5aed7c8f-…"
STICK = "/media/stick"
TOLD_ID = re.compile(r'"id":"([0-9a-f-]{36})"')


@pytest.mark.skipif(shutil.which("curl") is None, reason="the session is one with curl, which is not on this machine")
def test_the_first_session_goes_as_the_readme_says(running: Running, tmp_path: Path) -> None:
    session = Session(running, tmp_path)
    for command, shown in steps(README.read_text()):
        said = session.run(command)
        assert shown_in(shown.replace(EXAMPLE_ID, "…"), said), (
            f"{command}\nsaid\n{said}\nwhere the README shows\n{shown}"
        )


def access_token(door: Envoy) -> str:
    with rest_client(door) as client:
        client.sign_in(ANALYST.username, ANALYST.password)
        return client.token


class Session:
    """A shell in a folder that looks like a checkout in which `make up` has run."""

    def __init__(self, running: Running, folder: Path) -> None:
        self._running = running
        self._folder = folder
        self._id = ""
        self._settled = False
        (folder / ".venv").mkdir()
        (folder / ".venv" / "bin").symlink_to(PROGRAMS)
        (folder / "stick").mkdir()
        for network in (running.pair.request, running.pair.response):
            place = folder / ".airlock" / network.name
            place.mkdir(parents=True)
            (place / "export").symlink_to(network.export_dir)
            (place / "import").symlink_to(network.import_dir)
            (place / PROFILE).symlink_to(write_profile(network, COURIER.username, COURIER.password))
        door = running.pair.request.envoy
        self._environment = {
            "PATH": os.environ["PATH"],
            "URL": door.url,
            "CA": str(door.certificate.authority),
            "TOKEN": access_token(door),
        }

    def run(self, command: str) -> str:
        """What the command says; it must succeed."""
        if EXAMPLE_ID in command and not self._settled:
            self._running.settle()
            self._settled = True
        script = command.replace(EXAMPLE_ID, self._id).replace(STICK, "stick")
        done = subprocess.run(
            ["bash", "-euc", script],
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        told = TOLD_ID.search(done.stdout)
        self._id = self._id or (told[1] if told else "")
        return done.stdout
