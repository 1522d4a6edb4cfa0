"""The form in which names and e-mail addresses are compared, so that what looks alike to people is alike here."""

from __future__ import annotations

import unicodedata


def folded(text: str) -> str:
    """`text` in Unicode's NFKC form and lower case: “admin” in full-width letters is “admin”.

    Letters of other alphabets that merely look Latin stay what they are, and no name here holds them.
    """
    return unicodedata.normalize("NFKC", text).lower()
