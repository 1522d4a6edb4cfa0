"""What an operator sets in a shell of one network: the service's settings, and how `transfer` reaches the service."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.network import Network

PROFILE = "operator.env"


def write_profile(network: Network, username: str, password: str) -> Path:
    """Writes the file that `set -a; . FILE; set +a` takes in, readable by its owner only, and returns its path."""
    password_file = network.folder / "operator.password"
    _write(password_file, password)
    settings = network.environment() | {
        "AIRLOCK_NETWORK": network.name,
        "AIRLOCK_SERVER": network.envoy.target,
        "AIRLOCK_CA_FILE": str(network.certificate.authority),
        "AIRLOCK_USERNAME": username,
        "AIRLOCK_PASSWORD_FILE": str(password_file),
    }
    profile = network.folder / PROFILE
    _write(profile, "".join(f"{name}={shlex.quote(value)}\n" for name, value in sorted(settings.items())))
    return profile


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text)
