"""The normal form of a search: the bytes that cross the gap, name an execution in the cache and decide sameness."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from common.errors import FieldViolation, QueryInvalidError

if TYPE_CHECKING:
    from airlock.search.v1.search_pb2 import Search


def normal_form(search: Search) -> bytes:
    """The search in one encoding: fields in order of number, maps in order of key, nothing unknown.

    Two bodies that differ in white space, key order or in short and long forms have the same normal form. Raises
    QueryInvalidError for fields that this version does not know: without them it would be another question.
    """
    known = type(search)()
    known.CopyFrom(search)
    known.DiscardUnknownFields()  # type: ignore[no-untyped-call, unused-ignore]
    if known.ByteSize() != search.ByteSize():
        cause = "holds fields that this version does not know; use the API's present definition, or upgrade the service"
        raise QueryInvalidError(f"search {cause}", violations=[FieldViolation("search", cause)])
    return known.SerializeToString(deterministic=True)


def search_digest(search: Search) -> bytes:
    """SHA-256 of the normal form."""
    return hashlib.sha256(normal_form(search)).digest()
