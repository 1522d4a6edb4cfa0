"""What should have stood where a body has something of another form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from common.search.scalars import kind_of
from common.search.violations import shown

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from common.search.shapes import FieldShape, MessageShape
    from common.search.strict_json import Json
    from common.search.violations import Path

_SEVERAL: Final[Mapping[str, str]] = {
    "MatchQuery": "; write the words in one text",
    "TermQuery": "; for several values write terms",
}
_OTHER_FORMS: Final[Mapping[str, str]] = {"SourceFilter": "true, false, the names of fields or "}
_COMBINED: Final[Mapping[str, str]] = {
    "Aggregation": "; give each a name of its own",
    "Query": "; combine several in a bool",
}


def no_object(shape: MessageShape, value: Json) -> str:
    """The refusal of a value that stands in the place of an object."""
    if shape.short_form is not None:
        several = _SEVERAL.get(shape.name, "") if isinstance(value, list) else ""
        return f"must be a single value or an object, not {kind_of(value)}{several}"
    others = _OTHER_FORMS.get(shape.name, "")
    return f"must be {others}an object, not {kind_of(value)}; known here: {', '.join(sorted(shape.by_key))}"


def no_map(field: FieldShape, value: Json) -> str:
    """The refusal of a value that stands in the place of an object of names."""
    whose = "the field's name" if field.keyed_by_one_field else "name"
    return f"must be an object keyed by {whose}, not {kind_of(value)}"


def fields_at_once(shape: MessageShape, names: Collection[str]) -> str:
    """The refusal of a clause that names so many fields in the place of one: or one, with its options beside it."""
    options = [name for name in names if name in shape.by_key]
    refusal = f"must name exactly one field, not {len(names)}"
    if not options or len(options) + 1 != len(names):
        return f"{refusal}; combine one clause for each in a bool" if names else refusal
    (field,) = set(names) - set(options)
    inside = [*([shape.short_form.json_name] if shape.short_form else []), *options]
    written = ", ".join(f'"{option}": …' for option in dict.fromkeys(inside))
    return f'{refusal}; options stand inside the field: {{"{shown(field)}": {{{written}}}}}'


def not_one_of(shape: MessageShape, found: list[str]) -> str:
    """The refusal of more or fewer clauses or kinds than one."""
    names = ", ".join(sorted(shape.exactly_one_of))
    instead = _COMBINED.get(shape.name, "") if len(found) > 1 else ""
    return f"must hold exactly one of {names}; it holds {shown(', '.join(found)) or 'none'}{instead}"


def without_name(shape: MessageShape, path: Path) -> str | None:
    """What to do where the kind of an aggregation stands in the place of its name."""
    kind = path[-1] if path else None
    if shape.name != "Aggregation" or kind not in shape.exactly_one_of:
        return None
    return f'give the aggregation a name of your own: {{"aggs": {{"by": {{"{kind}": …}}}}}}'
