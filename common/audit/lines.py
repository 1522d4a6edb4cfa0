"""The one form of an audit row as text: what is exported, and what the segments' digests are made of.

A line is JSON in ASCII with its fields in a fixed order, so it needs no rule for whoever hashes an exported file, and
nothing in it moves a terminal. The form never changes: an old segment must give its digest again.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Text, cast, func, select

from common.audit.tables import audit_logs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Row, Select

_TEXTS: Final = ("action", "outcome", "user_id", "ip_address", "user_agent", "resource_type", "resource_id")
_BEYOND_ASCII: Final = re.compile(r"[^\x20-\x7e]")


def select_lines() -> Select[Any]:
    """Every column of a line, JSON as PostgreSQL writes it: no number passes through a float."""
    columns = audit_logs.c
    return select(
        columns.id,
        columns.created_at,
        columns.action,
        columns.outcome,
        cast(columns.user_id, Text).label("user_id"),
        func.abbrev(columns.ip_address).label("ip_address"),
        columns.user_agent,
        columns.resource_type,
        columns.resource_id,
        columns.response_status,
        cast(columns.request_data, Text).label("request_data"),
        cast(columns.metadata, Text).label("metadata"),
    )


def line_of(row: Row[Any]) -> bytes:
    """A row of `select_lines` as its line, with the newline."""
    texts = "".join(f'"{name}":{_quoted(getattr(row, name))},' for name in _TEXTS)
    created_at = row.created_at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    status = "null" if row.response_status is None else row.response_status
    line = (
        f'{{"id":{row.id},"created_at":"{created_at}",{texts}"response_status":{status},'
        f'"request_data":{row.request_data or "null"},"metadata":{row.metadata or "null"}}}'
    )
    return _BEYOND_ASCII.sub(_escaped, line).encode("ascii") + b"\n"


def lines_of(rows: Iterable[Row[Any]]) -> bytes:
    """Their lines, one behind the other."""
    return b"".join(map(line_of, rows))


def _quoted(value: str | None) -> str:
    return "null" if value is None else json.dumps(value, ensure_ascii=False)


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    # json.dumps leaves DEL as it is. Nothing else that is beyond printable ASCII stands outside a string here.
    return "\\u007f" if character == "\x7f" else json.dumps(character)[1:-1]
