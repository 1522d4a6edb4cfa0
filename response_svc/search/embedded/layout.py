"""Where the parts of an index lie on disk. A folder appears whole, under its name, and is never changed after that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import orjson

if TYPE_CHECKING:
    from pathlib import Path

    from response_svc.search.embedded.loose import JsonValue

FORMAT: Final = 2
META: Final = "index.json"
IDS: Final = "ids.json"
IGNORED: Final = "ignored.json"
"""By document, the keyword fields that had values longer than they keep."""
SOURCES: Final = "sources.jsonl"


def column_file(folder: Path, number: int) -> Path:
    """The values of one field, a list for each document; of a text field, the documents that have one."""
    return folder / f"column-{number}.json"


def text_folder(folder: Path, number: int) -> Path:
    """The inverted index of one text field."""
    return folder / f"text-{number}"


def read_json(path: Path) -> JsonValue:
    """The value in a JSON file."""
    return orjson.loads(path.read_bytes())
