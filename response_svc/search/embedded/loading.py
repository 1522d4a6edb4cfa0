"""Loads an index of the built-in engine from files, with a mapping that is given, known or guessed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from common.search.indices import check_index_name
from response_svc.search.embedded.build import load_index, mapping_of
from response_svc.search.embedded.documents import DocumentFiles
from response_svc.search.embedded.guessing import guess_mapping
from response_svc.search.embedded.mapping import parse_mapping

if TYPE_CHECKING:
    from pathlib import Path


class LoadError(Exception):
    """The files or the mapping cannot be loaded; the text names the place. The index is as it was before."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was loaded: how many documents, and where the mapping was from."""

    documents: int
    mapping: dict[str, Any]
    mapping_from: str


def load_files(directory: Path, name: str, source: Path, mapping_file: Path | None = None) -> Loaded:
    """Loads the index `name` from a file or folder of documents, in place of one of that name.

    Raises LoadError, and QueryInvalidError for a name that no index has. Without a mapping file an index that is there
    keeps its mapping, and a new one gets a mapping that fits its values.
    """
    check_index_name(name)
    try:
        documents = DocumentFiles(source)
    except (OSError, ValueError) as error:
        raise LoadError(str(error)) from error
    mapping, origin = _mapping(directory, name, mapping_file, documents)
    try:
        parse_mapping(mapping)
    except (ValueError, AttributeError, TypeError) as error:
        raise LoadError(f"the mapping {origin} cannot be used: {error}") from error
    documents.where = str(source)
    try:
        return Loaded(load_index(directory, name, mapping, documents, replace=True), mapping, origin)
    except (ValueError, OSError, RecursionError) as error:
        raise LoadError(f"{documents.where}: {error}") from error


def _mapping(directory: Path, name: str, file: Path | None, documents: DocumentFiles) -> tuple[dict[str, Any], str]:
    if file is not None:
        return _read(file, name), f"in {file}"
    known = mapping_of(directory, name)
    if known is not None:
        return known, "of the index before"
    try:
        return guess_mapping(documents), "guessed from the documents"
    except (ValueError, OSError, RecursionError) as error:
        raise LoadError(f"{documents.where}: {error}") from error


def _read(file: Path, name: str) -> dict[str, Any]:
    """A mapping as one writes it, or as `GET /index` or `GET /index/_mapping` shows it."""
    try:
        said = orjson.loads(file.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise LoadError(f"the mapping in {file} cannot be read: {error}") from error
    if isinstance(said, dict) and isinstance(said.get(name), dict) and "properties" not in said:
        said = said[name]
    if isinstance(said, dict) and isinstance(said.get("mappings"), dict):
        said = said["mappings"]
    if not isinstance(said, dict) or not isinstance(said.get("properties"), dict):
        raise LoadError(f'the mapping in {file} is not of the form {{"properties": …}}')
    return said
