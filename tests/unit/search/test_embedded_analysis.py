"""Words as Lucene's standard analyzer finds them; the expected words are those of a real Elasticsearch."""

from __future__ import annotations

import pytest

from response_svc.search.embedded.analysis import MAX_TOKEN_LENGTH, POSITION_GAP, Token, analyze


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("San Francisco", ["san", "francisco"]),
        ("می\u200cخواهم کتاب\u200cها را", ["می\u200cخواهم", "کتاب\u200cها", "را"]),
        ("«سلام، دنیا؟»", ["سلام", "دنیا"]),
        ("کِتابِ مَن", ["کِتابِ", "مَن"]),
        ("۱۲۳٫۵ تومان", ["۱۲۳٫۵", "تومان"]),
        ("foo_bar foo.bar foo-bar", ["foo_bar", "foo.bar", "foo", "bar"]),
        ("1,000.5 a.b@c.com 3.14.", ["1,000.5", "a.b", "c.com", "3.14"]),
        ("O'Neil don’t rock 'n' roll", ["o'neil", "don’t", "rock", "n", "roll"]),
        ("ABC123 x:y a;b 1;2", ["abc123", "x:y", "a", "b", "1;2"]),
        ("東京 ひらがな カタカナ", ["東", "京", "ひ", "ら", "が", "な", "カタカナ"]),
        ("สวัสดี", ["สวัสดี"]),
        ("한국어 תל־אביב", ["한국어", "תל", "אביב"]),
        ("😀😀 👍🏽 👨\u200d👩\u200d👧 🇮🇷", ["😀", "😀", "👍🏽", "👨\u200d👩\u200d👧", "🇮🇷"]),
        ("naïve Straße ΣΟΦΟΣ İstanbul", ["naïve", "straße", "σοφοσ", "istanbul"]),
        ("--- ___ ...", []),
        ("", []),
    ],
)
def test_text_is_split_as_elasticsearch_splits_it(text: str, words: list[str]) -> None:
    assert [token.text for token in analyze([text])] == words


def test_a_word_without_end_is_cut_in_pieces() -> None:
    assert [len(token.text) for token in analyze(["a" * 300])] == [MAX_TOKEN_LENGTH, 300 - MAX_TOKEN_LENGTH]


def test_values_stand_too_far_apart_for_a_phrase() -> None:
    assert analyze(["san jose", "costa"]) == [
        Token("san", 0),
        Token("jose", 1),
        Token("costa", 2 + POSITION_GAP),
    ]
