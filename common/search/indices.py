"""Which names can be those of an index that is asked for: one exact name each."""

from __future__ import annotations

import re

from common.errors import FieldViolation, QueryInvalidError

MAX_NAME_BYTES = 255

_EXACT_NAME = re.compile(r"[^\s\\/*?\"<>|,#:%]+")


def check_index_name(name: str) -> None:
    """Refuses with QueryInvalidError whatever could mean more than one exact index of this cluster.

    That is wildcards, lists, exclusions, date math, other clusters (`remote:name`), escapes, paths and hidden indices.
    The rules are Elasticsearch's own for index names, and stricter.
    """
    defect = index_name_defect(name)
    if defect is not None:
        text = f"the index name {defect}"
        raise QueryInvalidError(text, violations=[FieldViolation("index", text)])


def index_name_defect(name: str) -> str | None:
    """What is wrong with the name, and what to name instead; None for one that can be that of one exact index."""
    checks = (
        (not name, "is empty"),
        (len(name.encode("utf-8", "replace")) > MAX_NAME_BYTES, f"is longer than {MAX_NAME_BYTES} bytes"),
        (name[:1] in {"_", "-", "+", "."}, "begins with one of _ - + ."),
        (".." in name, "holds two dots in a row"),
        (name != name.lower(), "holds upper case letters"),
        (not name.isprintable(), "holds characters that cannot be printed"),
        (_EXACT_NAME.fullmatch(name) is None, 'holds a blank or one of \\ / * ? " < > | , # : %'),
    )
    defect = next((defect for wrong, defect in checks if wrong), None)
    return f"{defect}; name exactly one index, in lower case, without wildcards or lists" if defect else None
