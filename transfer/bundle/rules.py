"""The protovalidate rules of bundle messages, checked with one validator for the process."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import protovalidate

if TYPE_CHECKING:
    from google.protobuf.message import Message


@lru_cache(maxsize=1)
def _validator() -> protovalidate.Validator:
    return protovalidate.Validator()


def check_rules(message: Message) -> str | None:
    """The first rule that the message breaks, as `field: what must hold`, or None."""
    try:
        _validator().validate(message)
    except protovalidate.ValidationError as error:
        violation = error.violations[0]
        return f"{_path(violation)}: {violation.proto.message or violation.proto.rule_id}"
    return None


def _path(violation: protovalidate.Violation) -> str:
    path = violation.proto.field
    return ".".join(element.field_name for element in path.elements) if path is not None else "message"
