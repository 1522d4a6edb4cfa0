"""A search as the Python that makes its message, and back."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

from airlock.search.v1 import aggregation_pb2, query_pb2, scalar_pb2, search_pb2

if TYPE_CHECKING:
    from airlock.search.v1.search_pb2 import Search
    from google.protobuf.descriptor import FieldDescriptor
    from google.protobuf.message import Message

MODULES = (aggregation_pb2, query_pb2, scalar_pb2, search_pb2)
_WIDTH = 120


def python_of(search: Search) -> str:
    """The expression that makes this message."""
    return formatted(_source(search))


def message_of(python: str, imports: str) -> Search:
    """The message that an expression makes, with nothing known but what `imports` import."""
    names: dict[str, Any] = {}
    exec(imports, names)  # noqa: S102 # The page's own.
    made: Search = eval(python, names)  # noqa: S307 # As above.
    return made


def imports_for(pythons: list[str]) -> str:
    """The statements that import whatever these expressions name."""
    text = "\n".join(pythons)
    lines = []
    for module in MODULES:
        known = [name for name in vars(module) if name[0].isalpha() and not name.endswith("_pb2")]
        used = sorted({name for name in known if f"{name}(" in text or f"={name}," in text or f"={name})" in text})
        if used:
            lines.append(f"from {module.__name__} import {', '.join(used)}")
    return formatted("\n".join(lines))


def formatted(source: str) -> str:
    """As the project's formatter writes it."""
    command = [sys.executable, "-m", "ruff", "format", "--quiet", f"--line-length={_WIDTH}", "-"]
    done = subprocess.run(command, input=source, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def _source(message: Message) -> str:
    fields = [f"{field.name}={_field(field, value)}" for field, value in message.ListFields()]
    return f"{message.DESCRIPTOR.name}({', '.join(fields)})"


def _field(field: FieldDescriptor, value: Any) -> str:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return "{" + ", ".join(f"{key!r}: {_source(value[key])}" for key in sorted(value)) + "}"
    if field.is_repeated:
        return f"[{', '.join(_value(field, one) for one in value)}]"
    return _value(field, value)


def _value(field: FieldDescriptor, value: Any) -> str:
    if field.message_type is not None:
        return _source(value)
    return field.enum_type.values_by_number[value].name if field.enum_type is not None else repr(value)
