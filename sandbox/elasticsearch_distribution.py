"""An official Elasticsearch from Maven Central, unpacked once, and a JDK on this machine that can run it."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sandbox.errors import PlatformError
from sandbox.postgres import can_reach

if TYPE_CHECKING:
    from sandbox.child import SystemUser

DEFAULT_VERSION: Final = "8.19.21"
_REPOSITORY: Final = Path(__file__).parent.parent
_ARTIFACT: Final = "org.elasticsearch.distribution.integ-test-zip:elasticsearch:{}:zip"
_FETCH_SECONDS: Final = 900


@dataclass(frozen=True, slots=True)
class Java:
    """A JDK on this machine."""

    home: Path
    version: int


def unpacked(version: str, user: SystemUser | None) -> Path:
    """The distribution's folder, fetched and unpacked unless that has been done; several processes may ask at once."""
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise PlatformError(f"{version} is no version such as {DEFAULT_VERSION}")
    root = _REPOSITORY / ".elasticsearch"
    if user is not None and not can_reach(_REPOSITORY, user):
        root = Path(tempfile.gettempdir()) / f"airlock-elasticsearch-{os.geteuid()}"
    root.mkdir(parents=True, exist_ok=True)
    folder = root / f"elasticsearch-{version}"
    with (root / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            making = Path(tempfile.mkdtemp(dir=root))
            try:
                _unpack(_fetched(version), making)
                making.chmod(0o755)
                (making / folder.name).rename(folder)
            finally:
                shutil.rmtree(making, ignore_errors=True)
    return folder


def _fetched(version: str) -> Path:
    """The zip in Maven's local repository; Maven checks what it fetched."""
    maven = shutil.which("mvn")
    if maven is None:
        raise PlatformError("Maven is not installed; install it (Debian: apt install maven) to fetch Elasticsearch")
    repository = Path(os.environ.get("MAVEN_REPO_LOCAL", Path.home() / ".m2" / "repository"))
    name = f"elasticsearch-{version}.zip"
    path = repository / "org/elasticsearch/distribution/integ-test-zip/elasticsearch" / version / name
    if not path.exists():
        artifact = f"-Dartifact={_ARTIFACT.format(version)}"
        command = [
            maven,
            "-q",
            "-B",
            "dependency:get",
            artifact,
            "-Dtransitive=false",
            f"-Dmaven.repo.local={repository}",
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_FETCH_SECONDS, check=False)
        if done.returncode != 0 or not path.exists():
            raise PlatformError(f"Maven could not fetch Elasticsearch {version}:\n{done.stdout[-2000:]}")
    return path


def _unpack(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        for entry in opened.infolist():
            path = Path(opened.extract(entry, folder))
            mode = entry.external_attr >> 16
            path.chmod(0o755 if path.is_dir() or mode & 0o111 else 0o644)


def find_java(least: int) -> Java:
    """The oldest JDK that is new enough, of those that the environment names or that lie in the usual places."""
    named = [Path(os.environ[name]) for name in ("ES_JAVA_HOME", "JAVA_HOME") if os.environ.get(name)]
    usual = [path for root in ("/usr/lib/jvm", "/opt") if Path(root).is_dir() for path in sorted(Path(root).iterdir())]
    found = [java for home in (*named, *usual) if (java := _java(home)) is not None and java.version >= least]
    if not found:
        raise PlatformError(f"no JDK of version {least} or later; install one, or name it in ES_JAVA_HOME")
    return min(found, key=lambda java: java.version)


def _java(home: Path) -> Java | None:
    release = home / "release"
    with suppress(OSError):
        version = re.search(r'^JAVA_VERSION="(\d+)', release.read_text(), re.MULTILINE)
        if version and (home / "bin" / "java").exists():
            return Java(home.resolve(), int(version[1]))
    return None
