"""Collects what is wrong with a search, each with its path, up to a bound."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, TypeAlias

from common.errors import FieldViolation, QueryInvalidError

if TYPE_CHECKING:
    from collections.abc import Iterable

Path: TypeAlias = tuple["str | int", ...]

# Together below what gRPC allows in the trailers of one call.
MAX_VIOLATIONS = 16
_MAX_SHOWN = 64
_MAX_PATH = 200


class Violations:
    """The violations found so far. Beyond MAX_VIOLATIONS they are only counted."""

    def __init__(self) -> None:
        self.found: list[FieldViolation] = []
        self.omitted = 0

    @property
    def full(self) -> bool:
        """Whether further violations are only counted, so that no one need describe them."""
        return len(self.found) >= MAX_VIOLATIONS

    def add(self, path: Path, reason: str) -> None:
        """Notes that the value at `path` breaks a rule. `reason` continues a sentence that the path begins."""
        if not self.full:
            self.found.append(FieldViolation(render(path), reason))
        else:
            self.omitted += 1

    def raise_if_any(self) -> None:
        """Raises one QueryInvalidError with everything that was found."""
        if not self.found:
            return
        first = self.found[0]
        others = len(self.found) - 1 + self.omitted
        more = f" (and {others} more)" if others else ""
        raise QueryInvalidError(f"{first.field} {first.description}{more}", violations=self.found)


def render(path: Path) -> str:
    """The path for people, such as `query.bool.must[2].term`; the whole body is `body`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{shown(step)}" if text else shown(step)
    if len(text) > _MAX_PATH:
        text = f"{text[: _MAX_PATH // 2]}…{text[-_MAX_PATH // 2 :]}"
    return text or "body"


def shown(text: str) -> str:
    """A stranger's text, short and printable enough for an error."""
    printable = "".join(character if character.isprintable() else "\ufffd" for character in text[:_MAX_SHOWN])
    return printable + ("…" if len(text) > _MAX_SHOWN else "")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`did you mean …?` with the nearest of the known names, or the list of them where none is near."""
    names = sorted(known)
    near = nearest_name(name, names)
    if near is not None:
        return f"did you mean {near}?"
    return f"known here: {', '.join(names)}" if names else "nothing belongs here"


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """The nearest of the known names, however its letters are written; None where none is near."""
    by_lower = {one.lower(): one for one in known}
    near = difflib.get_close_matches(name[:_MAX_SHOWN].lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[near[0]] if near else None
