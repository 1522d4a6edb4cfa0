"""The inverted index of one text field, in tantivy: which documents hold a word or a phrase, and how well they match.

Each field has an index of its own that holds only the documents that have the field: BM25 then counts documents and
lengths as Lucene does, and the scores are Elasticsearch's.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Final

import tantivy

from response_svc.search.embedded.analysis import analyze

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from response_svc.search.embedded.analysis import Token

_TEXT: Final = "text"
_ORDINAL: Final = "ordinal"
_HEAP_BYTES: Final = 64 * 1024 * 1024

Scores = dict[int, float]
"""Matching documents by their place in the index, and their scores."""


def build_text_index(folder: Path, values_by_document: Sequence[Sequence[str]]) -> None:
    """Writes the index of one field. Documents without a word are left out: Lucene does not count them."""
    folder.mkdir()
    schema = tantivy.SchemaBuilder()
    schema.add_text_field(_TEXT, tokenizer_name="raw", index_option="position")
    schema.add_unsigned_field(_ORDINAL, fast=True)
    writer = tantivy.Index(schema.build(), path=str(folder)).writer(_HEAP_BYTES, 1)
    for ordinal, values in enumerate(values_by_document):
        tokens = [tantivy.Token(token.text, token.position, 0) for token in analyze(values)]
        if not tokens:
            continue
        document = tantivy.Document()
        document.add_pre_tokenized_text(_TEXT, tantivy.PreTokenizedString("", tokens))
        document.add_unsigned(_ORDINAL, ordinal)
        writer.add_document(document)
    writer.commit()
    writer.wait_merging_threads()


class TextIndex:
    """One field's inverted index, opened read-only. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        self._index = tantivy.Index.open(str(folder))
        self._index.config_reader("manual")
        self._index.reload()
        self._searcher = self._index.searcher()
        self._ordinals = self._read_ordinals()

    @cached_property
    def terms(self) -> dict[str, int]:
        """Every word, in order, and in how many documents it stands."""
        return dict(self._searcher.terms_with_prefix(_TEXT, ""))

    def term(self, word: str) -> Scores:
        """Documents with the word."""
        return self._search(tantivy.Query.term_query(self._index.schema, _TEXT, word))

    def phrase(self, tokens: Sequence[Token]) -> Scores:
        """Documents with the words in a row."""
        words: list[str | tuple[int, str]] = [(token.position, token.text) for token in tokens]
        return self._search(tantivy.Query.phrase_query(self._index.schema, _TEXT, words))

    def inverse_document_frequency(self, documents: int) -> float:
        """How much a word counts that stands in so many documents."""
        return math.log(1 + (len(self._ordinals) - documents + 0.5) / (documents + 0.5))

    def _search(self, query: tantivy.Query) -> Scores:
        hits = self._searcher.search(query, limit=max(1, len(self._ordinals)), count=False).hits
        return {self._ordinals[address.segment_ord, address.doc]: score for score, address in hits}

    def _read_ordinals(self) -> dict[tuple[int, int], int]:
        everything = self._searcher.search(
            tantivy.Query.all_query(), limit=max(1, self._searcher.num_docs), count=False
        )
        addresses = [address for _, address in everything.hits]
        ordinals = self._searcher.fast_field_values(_ORDINAL, addresses)
        return {
            (address.segment_ord, address.doc): int(ordinal or 0)
            for address, ordinal in zip(addresses, ordinals, strict=True)
        }
