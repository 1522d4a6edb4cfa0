"""Builds an index on disk from documents: columns, inverted texts and sources, made beside their place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from common.search.indices import check_index_name
from response_svc.search.embedded.generations import building, loading
from response_svc.search.embedded.layout import (
    FORMAT,
    IDS,
    IGNORED,
    META,
    SOURCES,
    column_file,
    read_json,
    text_folder,
)
from response_svc.search.embedded.mapping import Field, Kind, parse_mapping
from response_svc.search.embedded.texts import build_text_index

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def load_index(
    directory: Path | str,
    name: str,
    mapping: Mapping[str, Any],
    documents: Iterable[Mapping[str, Any]],
    *,
    replace: bool = False,
) -> int:
    """Builds the index `name` below `directory` and returns how many documents it holds.

    `mapping` is an Elasticsearch mapping, `{"properties": …}`. Each document is its source; a key `_id`, which is no
    part of the source, is its id, else its place is. Raises ValueError for a mapping, a document or an id that cannot
    be taken, and FileExistsError where the index is there already, unless it is to be replaced.
    """
    check_index_name(name)
    directory = Path(directory)
    with loading(directory, name):
        if not replace and (directory / name).exists():
            raise FileExistsError(f"{directory / name} is there already; remove it to build the index again")
        with building(directory, name) as folder:
            return _build(folder, mapping, documents)


def holds_index(directory: Path, name: str) -> bool:
    """Whether the index is there and of a form that this release opens."""
    try:
        meta = read_json(directory / name / META)
    except (OSError, ValueError):
        return False
    return isinstance(meta, dict) and meta.get("format") == FORMAT


def mapping_of(directory: Path, name: str) -> dict[str, Any] | None:
    """The mapping with which the index was built; None where there is none."""
    try:
        meta: dict[str, Any] = read_json(directory / name / META)
    except (OSError, ValueError):
        return None
    mapping: dict[str, Any] = meta["mapping"]
    return mapping


def _build(folder: Path, mapping: Mapping[str, Any], documents: Iterable[Mapping[str, Any]]) -> int:
    fields = list(parse_mapping(mapping).values())
    bounded = [field for field in fields if field.ignore_above is not None]
    ids: dict[str, None] = {}
    columns: list[list[Any]] = [[] for _ in fields]
    ignored: dict[str, list[str]] = {}
    with (folder / SOURCES).open("wb") as sources:
        for place, document in enumerate(documents):
            source = {key: value for key, value in document.items() if key != "_id"}
            document_id = str(document.get("_id", place))
            if document_id in ids:
                own = "" if "_id" in document else ", which is the place of this one, since it names none"
                raise ValueError(f"another document has the same _id {document_id!r}{own}")
            ids[document_id] = None
            sources.write(orjson.dumps(source, option=orjson.OPT_APPEND_NEWLINE))
            for field, column in zip(fields, columns, strict=True):
                column.append(field.values(source))
            too_long = sorted(field.name for field in bounded if field.ignores(source))
            if too_long:
                ignored[str(place)] = too_long
    (folder / IDS).write_bytes(orjson.dumps([*ids]))
    (folder / IGNORED).write_bytes(orjson.dumps(ignored))
    for number, (field, column) in enumerate(zip(fields, columns, strict=True)):
        _write_field(folder, number, field, column)
    (folder / META).write_bytes(orjson.dumps({"format": FORMAT, "mapping": mapping, "documents": len(ids)}))
    return len(ids)


def _write_field(folder: Path, number: int, field: Field, column: list[Any]) -> None:
    if field.kind is Kind.TEXT:
        build_text_index(text_folder(folder, number), column)
        column = [ordinal for ordinal, values in enumerate(column) if values]
    column_file(folder, number).write_bytes(orjson.dumps(column))
