"""Logs as JSON lines of one fixed shape, or as readable lines on a developer's terminal. Secrets never pass.

Each line has timestamp, level, component, message, request_id, user_id, duration_ms and metadata; whatever else an
event carries goes into metadata.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import orjson
import structlog

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    from common.settings import NetworkSettings

_OWN_KEYS: Final = ("request_id", "user_id", "duration_ms")
_SECRET_PARTS: Final = (
    "password",
    "secret",
    "token",
    "authorization",
    "cookie",
    "api_key",
    "apikey",
    "private_key",
    "dsn",
)
_MASK: Final = "***"
# JSON writes out what is below the space; these act on a terminal or turn what a person reads, too.
_MOVES_A_TERMINAL: Final = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_TEXT_LIMIT: Final = 16 * 1024


def configure(settings: NetworkSettings, component: str) -> None:
    """Sets up logging for this process. `component` (serve, worker …) names it where an event's logger does not."""
    level = logging.getLevelNamesMapping()[settings.log_level]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        _named(component),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        mask_secrets,
    ]
    rendered: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer()] if settings.log_format == "console" else [fixed_shape, _json]
    )
    structlog.configure(
        processors=[*shared, *rendered],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_NamedLoggerFactory(),
        cache_logger_on_first_use=True,
    )
    _route_libraries(shared, rendered, level)


def mask_secrets(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replaces the value of every key that sounds like a secret, at any depth of mappings."""
    for key, value in event.items():
        event[key] = _masked(key, value)
    return event


def fixed_shape(_logger: object, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """The line's fixed keys, with everything else under metadata."""
    line: dict[str, Any] = {
        "timestamp": event.pop("timestamp", None),
        "level": str(event.pop("level", "info")).upper(),
        "component": event.pop("component", ""),
        "message": str(event.pop("event", "")),
    }
    for key in _OWN_KEYS:
        line[key] = event.pop(key, None)
    line["metadata"] = dict(event)
    return line


def _json(_logger: object, _method: str, line: Mapping[str, Any]) -> str:
    try:
        text = orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z).decode()
    except TypeError:
        # Half a character, which orjson refuses; whatever a stranger wrote, the line is written.
        return json.dumps(line, default=str)
    return _MOVES_A_TERMINAL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


@lru_cache(maxsize=1024)
def _sounds_secret(key: str) -> bool:
    return any(part in key.lower() for part in _SECRET_PARTS)


def _masked(key: str, value: Any) -> Any:  # noqa: ANN401 - log values are anything.
    if _sounds_secret(key):
        return _MASK
    if isinstance(value, dict):
        return {inner: _masked(str(inner), held) for inner, held in value.items()}
    return value[:_TEXT_LIMIT] if isinstance(value, str) else value


def _named(component: str) -> structlog.typing.Processor:
    def add(logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:  # noqa: ANN401
        event.setdefault("component", getattr(logger, "name", None) or component)
        return event

    return add


class _NamedLogger(structlog.PrintLogger):
    """Writes to standard output and remembers the name given to `get_logger`."""

    def __init__(self, name: str | None) -> None:
        super().__init__(sys.stdout)
        self.name = name


class _NamedLoggerFactory:
    """Hands `get_logger`'s argument to the logger."""

    def __call__(self, *args: Any) -> _NamedLogger:  # noqa: ANN401 - the signature is structlog's.
        return _NamedLogger(str(args[0]) if args else None)


def _route_libraries(
    shared: list[structlog.typing.Processor], rendered: list[structlog.typing.Processor], level: int
) -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendered],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries tell much at INFO; what they have to say to an operator is WARNING and above.
    root.setLevel(max(level, logging.WARNING))
