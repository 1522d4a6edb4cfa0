"""The forms in which an answer is given: what a call may ask for, and what the headers say about each."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

from common.errors import FieldViolation, InvalidFieldError
from request_svc.domain.hit_table import MAX_COLUMNS
from request_svc.usecases.read_hits import hit_lines, hit_table

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from airlock.request.v1.request_service_pb2 import GetRequestResultRequest

    from request_svc.domain.request import Response
    from request_svc.usecases.read_result import StoredResult


@dataclass(frozen=True, slots=True)
class Form:
    """One of `json`, `ndjson` and `csv`, and for the last its columns."""

    name: str
    columns: tuple[str, ...] = ()
    spreadsheet: bool = False


@dataclass(frozen=True, slots=True)
class Content:
    """What goes to the caller."""

    content_type: str
    headers: tuple[tuple[str, str], ...]
    pieces: AsyncGenerator[bytes]


def checked_form(request: GetRequestResultRequest) -> Form:
    """Raises InvalidFieldError for options that do not belong together; the field's rules know the names."""
    form = request.format or "json"
    columns = tuple(name for text in request.columns for name in text.split(","))
    if form != "csv" and (columns or request.spreadsheet):
        field = "columns" if columns else "spreadsheet"
        raise _invalid(field, f"goes with format=csv only, and the format is {form}")
    if "" in columns:
        raise _invalid("columns", "holds an empty name; put one comma between two names")
    if len(set(columns)) < len(columns):
        raise _invalid("columns", "names a column twice")
    if len(columns) > MAX_COLUMNS:
        raise _invalid("columns", f"has {len(columns)} names; at most {MAX_COLUMNS} are allowed")
    return Form(form, columns, request.spreadsheet)


async def content_of(result: StoredResult, form: Form) -> Content:
    """The answer in that form. Raises ResultFormatError where it cannot be."""
    if form.name == "json":
        return Content("application/json", _wholeness(result.response), result.pieces())
    if form.name == "ndjson":
        hits, content_type = await hit_lines(result), "application/x-ndjson"
    else:
        hits = await hit_table(result, form.columns, spreadsheet=form.spreadsheet)
        content_type = "text/csv; charset=utf-8; header=present"
    headers = (
        ("x-airlock-hits", str(hits.count)),
        ("content-disposition", f'attachment; filename="{result.response.request_id}.{form.name}"'),
    )
    return Content(content_type, headers, hits.pieces)


def _wholeness(response: Response) -> tuple[tuple[str, str], ...]:
    """By what a caller sees that nothing is missing."""
    size = ("x-airlock-bytes", str(response.result_bytes))
    if response.result_sha256 is None:
        return (size,)
    return size, ("repr-digest", f"sha-256=:{base64.b64encode(response.result_sha256).decode()}:")


def _invalid(field: str, cause: str) -> InvalidFieldError:
    return InvalidFieldError(f"The call breaks a rule: {field} {cause}.", violations=[FieldViolation(field, cause)])
