"""Which part of a document comes back: `_source` with names to include and to exclude, `*` among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from response_svc.search.embedded.patterns import starred
from response_svc.search.embedded.refusals import unsupported

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airlock.search.v1.search_pb2 import SourceFilter

    from response_svc.search.embedded.loose import JsonValue


def source_filter(wanted: SourceFilter | None) -> Callable[[bytes], bytes | None]:
    """Turns a document's source into what the hit shows of it; None leaves it out."""
    if wanted is None or not (wanted.HasField("enabled") or wanted.includes or wanted.excludes):
        return lambda source: source
    if wanted.HasField("enabled"):
        return (lambda source: source) if wanted.enabled else (lambda _: None)
    by_map = any("*" in name for name in wanted.excludes)
    if not by_map and any("**" in name.split(".") for name in wanted.includes):
        raise unsupported("a name in _source with ** between its dots")
    shown = _Filter(
        [starred(name) if by_map else _by_step(name) for name in wanted.includes],
        [starred(name) for name in wanted.excludes],
        keeps_emptied=by_map,
    )
    return lambda source: orjson.dumps(shown.of_object(orjson.loads(source), "", included=not wanted.includes))


def _by_step(name: str) -> Callable[[str], bool]:
    """Whether a path is of a name whose `*` stay between dots."""
    steps = [starred(step) for step in name.split(".")]

    def matches(path: str) -> bool:
        taken = path.split(".")
        return len(taken) == len(steps) and all(fits(step) for fits, step in zip(steps, taken, strict=True))

    return matches


@dataclass(frozen=True, slots=True)
class _Filter:
    """The wanted parts of a document; a name stands for everything below it.

    Where a `*` is among the excluded names, Elasticsearch takes another way: an object of which everything is excluded
    stays behind empty, and a `*` of an included name goes beyond dots.
    """

    includes: Sequence[Callable[[str], bool]]
    excludes: Sequence[Callable[[str], bool]]
    keeps_emptied: bool

    def of_object(self, value: JsonValue, path: str, *, included: bool) -> JsonValue:
        """The wanted part of an object."""
        kept = {}
        for key, inner in value.items():
            here = f"{path}.{key}" if path else key
            if any(matches(here) for matches in self.excludes):
                continue
            wanted = included or any(matches(here) for matches in self.includes)
            if isinstance(inner, dict | list):
                below = self._inside(inner, here, included=wanted)
                if below or (wanted and (self.keeps_emptied or not inner)):
                    kept[key] = below
            elif wanted:
                kept[key] = inner
        return kept

    def _of_list(self, values: JsonValue, path: str, *, included: bool) -> JsonValue:
        kept = []
        for inner in values:
            if isinstance(inner, dict | list):
                below = self._inside(inner, path, included=included)
                if self.keeps_emptied and not inner:
                    raise unsupported("excluded names with a * for a document with an empty object or list in a list")
                if below or (included and not inner):
                    kept.append(below)
            elif included:
                kept.append(inner)
        return kept

    def _inside(self, value: JsonValue, path: str, *, included: bool) -> JsonValue:
        of_kind = self.of_object if isinstance(value, dict) else self._of_list
        return of_kind(value, path, included=included)
