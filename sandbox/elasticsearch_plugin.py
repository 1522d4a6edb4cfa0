"""What the distribution lacks to keep users, roles and API keys: a plugin, compiled here from one Java file."""

from __future__ import annotations

import fcntl
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sandbox.errors import PlatformError

if TYPE_CHECKING:
    from sandbox.elasticsearch_distribution import Java

_SOURCE: Final = Path(__file__).parent / "java" / "SecurityIndexAnalysis.java"
_NAME: Final = "airlock-security-index"
_DESCRIPTOR: Final = """\
name={name}
description=The parts of text analysis that the index of users, roles and API keys needs
version=1
elasticsearch.version={version}
java.version={java}
classname=airlock.sandbox.SecurityIndexAnalysis
"""
_COMPILE_SECONDS: Final = 180


def install_plugin(distribution: Path, version: str, java: Java, *, least_java: int) -> None:
    """Compiles the plugin into the distribution unless it is there; several processes may ask at once."""
    plugins = distribution / "plugins"
    folder = plugins / _NAME
    with (distribution.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():
            return
        with tempfile.TemporaryDirectory(dir=distribution.parent) as making:
            made = Path(making) / _NAME
            made.mkdir()
            _compile(distribution, java, made, least_java)
            descriptor = _DESCRIPTOR.format(name=_NAME, version=version, java=least_java)
            (made / "plugin-descriptor.properties").write_text(descriptor)
            made.chmod(0o755)
            made.rename(folder)


def _compile(distribution: Path, java: Java, folder: Path, least_java: int) -> None:
    classes = folder.parent / "classes"
    libraries = str(distribution / "lib" / "*")
    _run(str(java.home / "bin" / "javac"), "--release", str(least_java), "-cp", libraries, "-d", str(classes),
         str(_SOURCE))  # fmt: skip
    _run(str(java.home / "bin" / "jar"), "--create", "--file", str(folder / f"{_NAME}.jar"), "-C", str(classes), ".")


def _run(*command: str) -> None:
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=_COMPILE_SECONDS, check=False
        )
    except FileNotFoundError:
        raise PlatformError(f"there is no {command[0]}; install a whole JDK, or name one in ES_JAVA_HOME") from None
    if done.returncode != 0:
        raise PlatformError(f"{command[0]} failed:\n{done.stdout[-2000:]}")
