"""The scripts that run in Redis, where one look-up is one step for all processes."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.commands.core import AsyncScript

TOKEN_BYTES: Final = 12
_BY_SERVER: Final = 0


def by_server() -> int:
    """Stands for the time of Redis itself, so that no host's clock matters."""
    return _BY_SERVER


def script(redis: Redis, name: str) -> AsyncScript:
    """The script of that name, which is sent again where a server does not know it."""
    text = resources.files("response_svc.adapters.answers").joinpath(f"{name}.lua").read_text()
    return redis.register_script(text)
