"""Reads documents from a file or a folder of files: JSON lines, or one JSON document a file; plain, gzip or zstd."""

from __future__ import annotations

import gzip
import io
from contextlib import closing
from typing import IO, TYPE_CHECKING, Any, Final

import orjson
import zstandard

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LINES: Final = (".jsonl", ".ndjson")
_ONE: Final = (".json",)
_PACKED: Final = (".gz", ".zst")
MAX_DOCUMENT_BYTES: Final = 16 * 1024 * 1024


class DocumentFiles:
    """The documents of a file or a folder, each time anew. `where` names the line that was read last."""

    def __init__(self, source: Path) -> None:
        """Raises ValueError where there is nothing to read."""
        self._files = _files_of(source)
        self.where = str(source)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The documents in order; raises ValueError for one that cannot be read."""
        for file in self._files:
            for number, line in enumerate(_lines_of(file), 1):
                self.where = f"{file}:{number}" if _kind(file) in _LINES else str(file)
                if len(line) > MAX_DOCUMENT_BYTES:
                    raise ValueError(f"it is longer than {MAX_DOCUMENT_BYTES // 1024**2} MiB")
                if line.strip():
                    yield _document(line)


def _files_of(source: Path) -> list[Path]:
    if source.is_file():
        if _kind(source) not in (*_LINES, *_ONE):
            raise ValueError(f"the name of {source} must end in .jsonl, .ndjson or .json, and then perhaps .gz or .zst")
        return [source]
    if not source.is_dir():
        raise ValueError(f"{source} is not there")
    files = sorted(file for file in source.rglob("*") if file.is_file() and _kind(file) in (*_LINES, *_ONE))
    if not files:
        raise ValueError(f"{source} has no file that ends in .jsonl, .ndjson or .json, and then perhaps .gz or .zst")
    return files


def _kind(file: Path) -> str:
    """The ending that tells what a file holds."""
    return file.with_suffix("").suffix if file.suffix in _PACKED else file.suffix


def _lines_of(file: Path) -> Iterator[bytes]:
    """The lines of a file, or a whole file as one; what is too long comes cut, and longer than is taken."""
    try:
        with closing(_opened(file)) as stream:
            if _kind(file) in _ONE:
                yield stream.read(MAX_DOCUMENT_BYTES + 1)
                return
            while line := stream.readline(MAX_DOCUMENT_BYTES + 1):
                yield line
    except (zstandard.ZstdError, EOFError, gzip.BadGzipFile) as error:
        raise ValueError(f"the file {file} is damaged after this: {error}") from error


def _opened(file: Path) -> IO[bytes]:
    if file.suffix == ".gz":
        return io.BufferedReader(gzip.open(file, "rb"))
    if file.suffix == ".zst":
        stream = zstandard.ZstdDecompressor().stream_reader(file.open("rb"), read_across_frames=True, closefd=True)
        return io.BufferedReader(stream)
    return file.open("rb")


def _document(line: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"it is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise ValueError("it is not an object")  # noqa: TRY004 # A fault of the data.
    source = document.get("_source")
    if isinstance(source, dict):
        # A hit, as a search or an export of Elasticsearch gives it.
        return source | ({"_id": document["_id"]} if "_id" in document else {})
    return document
