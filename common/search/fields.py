"""Holds a search against the fields of its index: an unknown name, or a type that cannot be asked so, is refused here.

What Elasticsearch would answer is never refused but for fields that the index does not have: it finds nothing there,
which is rarely what was meant.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

from common.search.field_types import (
    INSTEAD,
    KEYWORD,
    METADATA,
    OBJECTS,
    OPEN,
    OPTION_TAKES,
    REFUSED_BY_AGGREGATION,
    REFUSED_BY_OPTION,
    REFUSED_BY_QUERY,
    REFUSED_BY_SORT,
    SORT_KEYS,
)
from common.search.field_uses import AGGREGATION, SORT, field_uses
from common.search.field_values import wrong_value
from common.search.violations import Violations, shown
from common.search.walk import walk

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from airlock.search.v1.search_pb2 import Search

    from common.policy.index import AllowedIndex
    from common.search.field_uses import FieldUse
    from common.search.walk import Visited

# Comparing with thousands of names costs milliseconds each time.
_ADVISED_NAMES: Final = 3
_SHOWN_NAMES: Final = 12
_LONGEST_COMPARED: Final = 64


def check_fields(search: Search, index: AllowedIndex, messages: Iterable[Visited] | None = None) -> None:
    """Raises QueryInvalidError for fields that `index` does not have or that cannot be asked so.

    An index whose fields are not known yet is not looked at: the engine decides. Whoever has walked the search already
    hands over its `messages`.
    """
    if not index.fields:
        return
    violations = Violations()
    unknown = 0
    for use in field_uses(walk(search) if messages is None else messages):
        field_type = index.fields.get(use.name)
        if field_type is None:
            if not _may_be_unknown(use, index.fields):
                unknown += 1
                advice = f"; {nearest(use.name, index.fields)}" if unknown <= _ADVISED_NAMES else ""
                violations.add(use.path, f"names the field {shown(use.name)}, which {index.name} does not have{advice}")
        elif field_type in _refused_types(use):
            violations.add(use.path, _refusal(use, field_type, index.fields))
        else:
            _check_use(use, field_type, violations)
    violations.raise_if_any()


def _check_use(use: FieldUse, field_type: str, violations: Violations) -> None:
    """The values that a field is asked for, and the options with which."""
    for path, value, way in use.values:
        defect = wrong_value(field_type, value, way)
        if defect is not None:
            violations.add(path, f"{defect} ({shown(use.name)} is of the type {field_type})")
    for option in use.options:
        if field_type in REFUSED_BY_OPTION[option]:
            name = option.removeprefix("sort ")
            told = f"asks {shown(use.name)}, which is of the type {field_type}, with {name}"
            violations.add(use.path, f"{told}; {OPTION_TAKES[option]}")


def nearest(name: str, known: Iterable[str]) -> str:
    """`did you mean …?` with the nearest of the known names, or the first of them where none is near."""
    names = sorted(known)
    near = difflib.get_close_matches(name[:_LONGEST_COMPARED].lower(), names, n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(shown(one) for one in near)}?"
    more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    return f"there are {', '.join(shown(one) for one in names[:_SHOWN_NAMES])}{more}"


def _may_be_unknown(use: FieldUse, fields: Mapping[str, str]) -> bool:
    if use.may_be_unknown or use.name in (SORT_KEYS if use.place == SORT else METADATA):
        return True
    steps = use.name.split(".")
    parents = (".".join(steps[:length]) for length in range(1, len(steps)))
    return any(fields.get(parent) in OPEN for parent in parents)


def _refused_types(use: FieldUse) -> AbstractSet[str]:
    if use.place == SORT:
        return REFUSED_BY_SORT if not use.may_be_unknown else REFUSED_BY_SORT - OBJECTS
    table = REFUSED_BY_AGGREGATION if use.place == AGGREGATION else REFUSED_BY_QUERY
    return table.get(use.kind, frozenset())


def _refusal(use: FieldUse, field_type: str, fields: Mapping[str, str]) -> str:
    name = shown(use.name)
    if field_type in OBJECTS:
        return f"names {name}, which is an object; name one of its fields"
    whole = whole_words(use.name, fields) if field_type not in KEYWORD else None
    instead = INSTEAD[use.kind]
    if whole is not None and fields[whole] not in _refused_types(use):
        instead = f"use {shown(whole)}"
    return f"names {name}, which is of the type {field_type} and cannot be asked for {use.kind}; {instead}"


def whole_words(name: str, fields: Mapping[str, str]) -> str | None:
    """The subfield that keeps a text as a whole."""
    usual = f"{name}.keyword"
    if fields.get(usual) in KEYWORD:
        return usual
    return next((one for one in sorted(fields) if one.startswith(f"{name}.") and fields[one] in KEYWORD), None)
