"""Which part of a document comes back: `_source` with names to include and to exclude, `*` among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from response_svc.search.embedded.patterns import starred

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
    includes, excludes = [starred(name) for name in wanted.includes], [starred(name) for name in wanted.excludes]
    return lambda source: orjson.dumps(_filtered(orjson.loads(source), "", includes, excludes, included=not includes))


def _filtered(
    value: JsonValue,
    path: str,
    includes: Sequence[Callable[[str], bool]],
    excludes: Sequence[Callable[[str], bool]],
    *,
    included: bool,
) -> JsonValue:
    """The wanted part of an object; a name stands for everything below it."""
    kept = {}
    for key, inner in value.items():
        here = f"{path}.{key}" if path else key
        if any(matches(here) for matches in excludes):
            continue
        wanted = included or any(matches(here) for matches in includes)
        if isinstance(inner, dict):
            below = _filtered(inner, here, includes, excludes, included=wanted)
            if below or (wanted and not inner):
                kept[key] = below
        elif isinstance(inner, list) and any(isinstance(item, dict) for item in inner):
            items = [
                _filtered(item, here, includes, excludes, included=wanted) if isinstance(item, dict) else item
                for item in inner
                if isinstance(item, dict) or wanted
            ]
            if any(items):
                kept[key] = items
        elif wanted:
            kept[key] = inner
    return kept
