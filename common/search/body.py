"""Reads a search body as one pastes it into Elasticsearch, strictly, into the typed message."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airlock.search.v1.search_pb2 import Search

MAX_BODY_BYTES = 256 * 1024


def read_body(body: bytes) -> Search:
    """The search that `body` (JSON in UTF-8, at most 256 KiB) holds; nothing in it is ignored.

    Raises QueryInvalidError, whose violations name path, cause and the nearest valid name, for anything that is not in
    the language: unknown or repeated keys, wrong types, NaN, more than one clause where one belongs.
    """
    raise NotImplementedError
