"""A log line has its fixed keys, and never a secret."""

from __future__ import annotations

import json
import logging as stdlib_logging
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
import structlog

from common import logging

if TYPE_CHECKING:
    from collections.abc import Iterator

    from common.settings import NetworkSettings


SETTINGS = cast("NetworkSettings", SimpleNamespace(log_level="INFO", log_format="json"))


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Any]:
    root = stdlib_logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logging.configure(SETTINGS, "serve")
    yield lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_line_has_the_fixed_keys(lines: Any) -> None:
    structlog.get_logger("api.requests").info("created", request_id="r", user_id="u", duration_ms=1.5, index="cities")
    (line,) = lines()
    assert list(line) == [
        "timestamp",
        "level",
        "component",
        "message",
        "request_id",
        "user_id",
        "duration_ms",
        "metadata",
    ]
    assert (line["level"], line["component"], line["message"]) == ("INFO", "api.requests", "created")
    assert (line["request_id"], line["user_id"], line["duration_ms"]) == ("r", "u", 1.5)
    assert line["metadata"] == {"index": "cities"}


def test_secrets_are_masked_at_any_depth(lines: Any) -> None:
    structlog.get_logger("x").info("in", password="p", headers={"Authorization": "Bearer t", "deep": {"api_key": "k"}})
    (line,) = lines()
    assert line["metadata"] == {"password": "***", "headers": {"Authorization": "***", "deep": {"api_key": "***"}}}


def test_what_is_bound_to_the_call_is_in_its_lines(lines: Any) -> None:
    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        structlog.get_logger("x").warning("careful")
    assert lines()[0]["request_id"] == "r-1"


def test_an_error_comes_with_its_traceback(lines: Any) -> None:
    try:
        int("why")
    except ValueError:
        structlog.get_logger("x").exception("failed")
    (line,) = lines()
    assert line["level"] == "ERROR"
    assert "ValueError: invalid literal" in line["metadata"]["exception"]


def test_libraries_speak_the_same_language_and_only_when_it_matters(lines: Any) -> None:
    logging.configure(SETTINGS, "serve")
    stdlib_logging.getLogger("somebody").info("chatter")
    stdlib_logging.getLogger("somebody").warning("lost %s", "it")
    (line,) = lines()
    assert (line["message"], line["level"], line["component"]) == ("lost it", "WARNING", "serve")


def test_a_value_that_is_no_json_does_not_break_the_line(lines: Any) -> None:
    structlog.get_logger("x").info("odd", value=object(), raw=b"\xff", keys={1: 2})
    assert len(lines()) == 1


HOSTILE = 'x\n{"level":"INFO"}\r\x1b[2J\x1b]0;pwned\x07\x7f\x9b2J\u202e\u2028"\\'


@pytest.mark.parametrize("text", [HOSTILE, HOSTILE + "\ud800"])
def test_a_strangers_text_makes_no_line_of_its_own_and_moves_no_terminal(
    capsys: pytest.CaptureFixture[str], lines: Any, text: str
) -> None:
    structlog.get_logger("api").warning("refused", user=text, **{text: [text]})
    written = capsys.readouterr().out
    assert written.count("\n") == 1
    assert written.endswith("\n")
    assert written[:-1].isprintable()
    line = json.loads(written)
    assert (line["level"], line["metadata"]["user"]) == ("WARNING", text)


def test_a_terminal_shows_a_strangers_text_written_out(capsys: pytest.CaptureFixture[str], lines: Any) -> None:
    logging.configure(cast("NetworkSettings", SimpleNamespace(log_level="INFO", log_format="console")), "serve")
    structlog.get_logger("console").warning("refused", user=HOSTILE)
    written = capsys.readouterr().out
    assert written.count("\n") == 1
    assert "\x1b[2J" not in written
    assert "\u202e" not in written
