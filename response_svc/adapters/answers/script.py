"""The scripts that run in Redis, where one look-up is one step for all processes."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.commands.core import AsyncScript

TOKEN_BYTES: Final = 16
_BY_SERVER: Final = 0


def by_server() -> int:
    """Stands for the time of Redis itself, so that no host's clock matters."""
    return _BY_SERVER


def script(redis: Redis, name: str, **constants: int) -> AsyncScript:
    """The script of that name with these constants; it is sent again where a server does not know it."""
    text = resources.files("response_svc.adapters.answers").joinpath(f"{name}.lua").read_text()
    given = "".join(f"local {constant} = {value}\n" for constant, value in constants.items())
    return redis.register_script(given + text)
