"""An index opened read-only: its fields, and their columns and inverted texts, each read when it is first needed."""

from __future__ import annotations

import math
import mmap
from bisect import bisect_left
from collections import defaultdict
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, TypeVar

from response_svc.search.embedded.doubles import from_sortable, to_sortable
from response_svc.search.embedded.layout import FORMAT, IDS, IGNORED, META, SOURCES, column_file, read_json, text_folder
from response_svc.search.embedded.mapping import Field, Kind, Value, parse_mapping
from response_svc.search.embedded.texts import Scores, TextIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

Kept = TypeVar("Kept")

# BM25 as Elasticsearch sets it.
_K1: Final = 1.2
_B: Final = 0.75


class Column:
    """The values of a keyword, number, boolean or date, for each document in order.

    `keys` are the same values as terms, of which `distinct` are all: a double's is its sortable form.
    """

    def __init__(self, values: Sequence[Sequence[Any]], kind: Kind) -> None:
        self.values = values
        self._of_doubles = kind is Kind.DOUBLE
        self.keys = [[to_sortable(value) for value in own] for own in values] if self._of_doubles else values
        postings: dict[Any, list[int]] = defaultdict(list)
        for ordinal, own in enumerate(self.keys):
            # Equal values of one document stand beside each other.
            previous = None
            for value in own:
                if value != previous:
                    postings[value].append(ordinal)
                previous = value
        self.distinct: list[Any] = sorted(postings)
        self._postings = postings
        self.is_single = all(len(own) <= 1 for own in values)
        self.present = [ordinal for ordinal, own in enumerate(values) if own]
        entries = sum(len(documents) for documents in postings.values())
        average = entries / len(self.present) if self.present else 1.0
        # A keyword has no stored length: each document counts as one word long.
        self._frequency_part = (_K1 + 1) / (1 + _K1 * (1 - _B + _B / average))

    def documents(self, value: Value) -> Sequence[int]:
        """The documents with this value."""
        return self.with_key(to_sortable(float(value)) if self._of_doubles else value)

    def with_key(self, key: Value) -> Sequence[int]:
        """The documents with the value of this key."""
        return self._postings.get(key, ())

    def value_of(self, key: Value) -> Value:
        """The value of a key."""
        return from_sortable(int(key)) if self._of_doubles else key

    def between(self, low: Value | None, high: Value | None) -> Sequence[Any]:
        """The distinct values from `low` up to and including `high`."""
        first = 0 if low is None else bisect_left(self.distinct, low)
        last = len(self.distinct) if high is None else bisect_left(self.distinct, high)
        if last < len(self.distinct) and self.distinct[last] == high:
            last += 1
        return self.distinct[first:last]

    def score(self, documents: int) -> float:
        """What one value counts that so many documents have."""
        return self.inverse_document_frequency(documents) * self._frequency_part

    def inverse_document_frequency(self, documents: int) -> float:
        """How much a value counts that stands in so many documents."""
        return math.log(1 + (len(self.present) - documents + 0.5) / (documents + 0.5))

    def term(self, value: Value) -> Scores:
        """The documents with this value, scored."""
        documents = self.documents(value)
        return dict.fromkeys(documents, self.score(len(documents))) if documents else {}


class OpenIndex:
    """One index. Safe to use from several threads; never written."""

    def __init__(self, name: str, folder: Path) -> None:
        folder = folder.resolve()
        meta = read_json(folder / META)
        if meta["format"] != FORMAT:
            raise ValueError(f"{folder} has the format {meta['format']}; build it again")
        self.name = name
        self.fields: Mapping[str, Field] = parse_mapping(meta["mapping"])
        self.count: int = meta["documents"]
        self.ids: list[str] = read_json(folder / IDS)
        self.ordinals = {document_id: ordinal for ordinal, document_id in enumerate(self.ids)}
        self.ignored: Mapping[str, list[str]] = read_json(folder / IGNORED)
        # A link would lead to another generation once the index is loaded anew.
        self._folder = folder
        self._numbers = {name: number for number, name in enumerate(self.fields)}
        self._kept: dict[str, Any] = {}
        self._lock = Lock()
        with (folder / SOURCES).open("rb") as file:
            self._sources = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if self.count else b""
        self._lines = _line_starts(self._sources)

    def column(self, field: Field) -> Column:
        """The column of a field that is no text."""
        path = column_file(self._folder, self._numbers[field.name])
        return self._keep(field.name, lambda: Column(read_json(path), field.kind))

    def text(self, field: Field) -> TextIndex:
        """The inverted index of a text field."""
        folder = text_folder(self._folder, self._numbers[field.name])
        return self._keep(field.name, lambda: TextIndex(folder))

    def present(self, field: Field) -> Iterable[int]:
        """The documents that have a value in the field."""
        if field.kind is not Kind.TEXT:
            return self.column(field).present
        path = column_file(self._folder, self._numbers[field.name])
        present: list[int] = self._keep(f"{field.name} present", lambda: read_json(path))
        return present

    def below(self, name: str) -> list[Field]:
        """The fields inside the object of that name."""
        return [field for field in self.fields.values() if ".".join(field.path).startswith(f"{name}.")]

    def source(self, ordinal: int) -> bytes:
        """A document as it was given, in JSON."""
        return self._sources[self._lines[ordinal] : self._lines[ordinal + 1] - 1]

    def _keep(self, name: str, make: Callable[[], Kept]) -> Kept:
        with self._lock:
            if name not in self._kept:
                self._kept[name] = make()
            kept: Kept = self._kept[name]
            return kept


def _line_starts(sources: mmap.mmap | bytes) -> Sequence[int]:
    starts = [0]
    end = sources.find(b"\n")
    while end >= 0:
        starts.append(end + 1)
        end = sources.find(b"\n", end + 1)
    return starts
