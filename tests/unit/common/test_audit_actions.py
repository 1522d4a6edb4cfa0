"""docs/audit.md lists every action that the code writes to the audit trail, and none that it does not."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
ACTION = re.compile(r"[a-z_]+\.[a-z_]+")
# A module that has one of these writes rows, or hands the name of an action to one that does.
WRITES = re.compile(r"\b(AuditEntry|own_entry|caller_entry|import entry|entry\(|_audit\(|Written\()")


def written() -> set[str]:
    """Every text that looks like an action's name, in modules that write rows."""
    texts = (
        file.read_text()
        for package in ("common", "request_svc", "response_svc")
        for file in (ROOT / package).rglob("*.py")
    )
    return {name for text in texts if WRITES.search(text) for name in names_in(ast.parse(text))}


def names_in(tree: ast.Module) -> Iterator[str]:
    loggers = {
        argument
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "get_logger"
        for argument in node.args
    }
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) and node not in loggers else None
        if isinstance(text, str) and ACTION.fullmatch(text):
            yield text


def documented() -> set[str]:
    table = (ROOT / "docs" / "audit.md").read_text().split("## Actions", 1)[1].split("\n## ", 1)[0]
    return set(re.findall(r"^\| `([a-z_.]+)`", table, re.MULTILINE))


def test_every_action_has_its_line_and_every_line_its_action() -> None:
    assert written() == documented()
