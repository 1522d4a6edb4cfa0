"""Which fields of an index can be carried to the other network, and how Elasticsearch's own list of them is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from response_svc.search.answer_head import NotAnAnswerError
from response_svc.search.answers import EngineRefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_FIELDS: Final = 5000
MAX_FIELD_BYTES: Final = 512 * 1024
"""Of all names and types together, so that an index and its fields fit into one record of a bundle."""
_MAX_NAME_BYTES: Final = 512
_MAX_TYPE: Final = 50
_ADVICE: Final = "allow an index with fewer fields"

_BACKING: Final = ".ds-"
"""How the names of the indices begin of which a data stream consists."""

TEXT_IN_MEMORY: Final = "text_with_fielddata"
"""A text whose mapping has `fielddata`: unlike other texts it can be sorted and aggregated."""
CONFLICT: Final = "conflict"
"""What Kibana calls a field that has no one type."""


def carried(index: str, fields: Mapping[str, str]) -> dict[str, str]:
    """The fields, in order of their names. Raises EngineRefusedError for more than can be carried."""
    if len(fields) > MAX_FIELDS:
        raise EngineRefusedError(f"{index} has {len(fields)} fields; at most {MAX_FIELDS} can be carried: {_ADVICE}")
    lengths = {name: len(name.encode("utf-8", "replace")) for name in fields}
    longest = max(lengths.values(), default=0)
    if longest > _MAX_NAME_BYTES:
        raise EngineRefusedError(f"{index} has a field with a name of {longest} bytes; {_MAX_NAME_BYTES} are carried")
    total = sum(lengths.values()) + sum(len(field_type) for field_type in fields.values())
    if total > MAX_FIELD_BYTES:
        raise EngineRefusedError(f"the names of the fields of {index} are too long together to be carried: {_ADVICE}")
    return dict(sorted(fields.items()))


def check_one_index(index: str, answer: Mapping[str, Any]) -> None:
    """Refuses a name that stands for several indices, or will: an alias of more than one, or a data stream.

    Raises EngineRefusedError, and NotAnAnswerError where an answer to `_field_caps` does not tell them.
    """
    named = answer.get("indices")
    if not isinstance(named, list) or not all(isinstance(one, str) for one in named):
        raise NotAnAnswerError("it lacks indices")
    if len(named) > 1:
        raise EngineRefusedError(f"{index} stands for {len(named)} indices; allow one, or an alias of one")
    if any(one.startswith(_BACKING) for one in named):
        raise EngineRefusedError(f"{index} is a data stream, of many indices; allow an index, or an alias of one")


def read_field_capabilities(answer: Mapping[str, Any]) -> dict[str, str]:
    """The types in an answer to `_field_caps`, but for the fields that every document has. Raises NotAnAnswerError."""
    fields = answer.get("fields")
    if not isinstance(fields, dict):
        raise NotAnAnswerError("it lacks fields")
    found = {}
    for name, types in fields.items():
        if not isinstance(types, dict) or not all(isinstance(one, dict) for one in types.values()):
            raise NotAnAnswerError("a field has no types")
        if name and not any(one.get("metadata_field") for one in types.values()):
            found[name] = _one_type(types)
    return found


def _one_type(types: Mapping[str, Mapping[str, Any]]) -> str:
    names = [name for name in types if name != "unmapped"]
    if len(names) != 1 or not 0 < len(names[0]) <= _MAX_TYPE:
        return CONFLICT
    return TEXT_IN_MEMORY if names[0] == "text" and types["text"].get("aggregatable") is True else names[0]
