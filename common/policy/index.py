"""An index that may be searched, with the fields that the search engine said it has."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class AllowedIndex:
    """One exact index. `fields` gives each field's type in the engine's own words, such as `keyword` or `date`."""

    name: str
    description: str = ""
    fields: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def content(self) -> dict[str, Any]:
        """All but the name, as the table keeps it."""
        return {"description": self.description, "fields": dict(sorted(self.fields.items()))}


def index_from(name: str, content: Mapping[str, Any]) -> AllowedIndex:
    """The index that a row holds."""
    return AllowedIndex(name, content["description"], MappingProxyType(dict(content["fields"])))
