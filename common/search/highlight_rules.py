"""What the options of a highlight break together, of which some stand at the field and some for all fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from airlock.search.v1 import search_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from common.search.violations import Path
    from common.search.walk import Visited

    Broken = Iterator[tuple[Path, str]]

_LEAST_FAST_FRAGMENT: Final = 18


def _highlight(visited: Visited) -> Broken:
    highlight = visited.message
    yield from _tags(visited)
    for name in highlight.fields:
        path = (*visited.path, "fields", name)
        own = highlight.fields[name]

        def said(option: str, own: Any = own) -> Any:  # noqa: ANN401 # The option's own type.
            """The field's own option, else that of all fields, else None."""
            return next((getattr(one, option) for one in (own, highlight) if one.HasField(option)), None)

        kind = said("type") or search_pb2.HIGHLIGHT_TYPE_UNIFIED
        if kind == search_pb2.HIGHLIGHT_TYPE_UNIFIED:
            if said("boundary_scanner") == search_pb2.HIGHLIGHT_BOUNDARY_SCANNER_CHARS:
                yield path, "has the boundary_scanner chars, which only goes with the type fvh; use sentence or word"
            if own.matched_fields and said("require_field_match") is False:
                yield path, "has matched_fields, which do not go with require_field_match false; leave out one of them"
        elif kind == search_pb2.HIGHLIGHT_TYPE_FVH and said("number_of_fragments") != 0:
            size = said("fragment_size")
            if size is not None and size < _LEAST_FAST_FRAGMENT:
                yield path, f"has fragments of {size}; the type fvh makes none below {_LEAST_FAST_FRAGMENT}"


def _tags(visited: Visited) -> Broken:
    if visited.message.pre_tags and not visited.message.post_tags:
        yield visited.path, "has pre_tags without post_tags; name both"


HIGHLIGHT_RULES: Final[Mapping[str, Callable[[Visited], Broken]]] = {"Highlight": _highlight, "HighlightField": _tags}
"""By message."""
