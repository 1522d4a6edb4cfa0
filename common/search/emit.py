"""Writes the engine's search body from the typed message; nothing else makes one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airlock.search.v1.search_pb2 import Search


def emit_body(search: Search) -> bytes:
    """The body in JSON: whole numbers whole, 64-bit integers exact, absent fields absent and present ones present."""
    raise NotImplementedError
