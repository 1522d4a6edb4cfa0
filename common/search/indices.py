"""Which index names may be asked for: one exact name, and one of those allowed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from common.errors import FieldViolation, IndexNotAllowedError, QueryInvalidError

if TYPE_CHECKING:
    from collections.abc import Collection

MAX_NAME_BYTES = 255

_EXACT_NAME = re.compile(r"[^\s\\/*?\"<>|,#:%]+")


def check_index_name(name: str) -> None:
    """Refuses with QueryInvalidError whatever could mean more than one exact index of this cluster.

    That is wildcards, lists, exclusions, date math, other clusters (`remote:name`), escapes, paths and hidden indices.
    The rules are Elasticsearch's own for index names, and stricter.
    """
    defect = _name_defect(name)
    if defect is None:
        return
    text = f"the index name {defect}; name exactly one index, in lower case, without wildcards or lists"
    raise QueryInvalidError(text, violations=[FieldViolation("index", text)])


def check_index_allowed(name: str, allowed: Collection[str]) -> None:
    """Raises QueryInvalidError for a name that is not exact, IndexNotAllowedError for one that is not in `allowed`."""
    check_index_name(name)
    if name in allowed:
        return
    named = ", ".join(sorted(allowed)[:32]) or "none"
    raise IndexNotAllowedError(
        f"the index {name} may not be searched; allowed: {named}. "
        f"An administrator of the Response Network can allow it",
        metadata={"index": name, "allowed": named},
    )


def _name_defect(name: str) -> str | None:
    checks = (
        (not name, "is empty"),
        (len(name.encode("utf-8", "replace")) > MAX_NAME_BYTES, f"is longer than {MAX_NAME_BYTES} bytes"),
        (name[:1] in {"_", "-", "+", "."}, "begins with one of _ - + ."),
        (".." in name, "holds two dots in a row"),
        (name != name.lower(), "holds upper case letters"),
        (not name.isprintable(), "holds characters that cannot be printed"),
        (_EXACT_NAME.fullmatch(name) is None, 'holds a blank or one of \\ / * ? " < > | , # : %'),
    )
    return next((defect for wrong, defect in checks if wrong), None)
