"""Checks every incoming message against the field rules that stand in its proto, so that handlers need not."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from protovalidate import Validator

from common.errors import FieldViolation, InvalidFieldError
from common.rpc.wrapping import CallInterceptor, UnreadableMessage
from common.search.violations import shown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import grpc
    from google.protobuf.message import Message
    from protovalidate import Violation

MESSAGE_LIMIT: Final = 512 * 1024
"""Bytes of an incoming message of any method but those below."""
BUNDLE_PIECE_LIMIT: Final = 1024 * 1024 + 1024
"""Bytes of an incoming piece of a bundle: 1 MiB and its framing."""
BATCH_LIMIT: Final = 1024 * 1024
"""Bytes of an incoming message with several questions; their own limit is a little lower and names itself."""
_PIECES: Final = "/airlock.transfer.v1.TransferService/ImportBundle"
_LIMITS: Final = {_PIECES: BUNDLE_PIECE_LIMIT, "/airlock.request.v1.RequestService/SubmitRequests": BATCH_LIMIT}
_MOST_VIOLATIONS: Final = 16
_WORDS: Final = {"must be at least 1 characters": "is missing or empty"}
"""What is said in place of the library's words."""


class ValidationInterceptor(CallInterceptor):
    """Bounds and validates; a refusal names every field that breaks a rule."""

    def __init__(self) -> None:
        self._validator = Validator()

    @asynccontextmanager
    async def around(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[None]:
        """Nothing but the handler: the messages are looked at one by one."""
        yield

    def incoming(self, method: str, message: Message | UnreadableMessage) -> None:
        """Raises InvalidFieldError for a message that cannot be read, is too long or breaks a rule."""
        if isinstance(message, UnreadableMessage):
            raise InvalidFieldError(
                "The message cannot be read: its bytes are none of this call, or it is nested deeper than 100 levels; "
                "make it with the API's present definition, and nest less."
            )
        limit = _LIMITS.get(method, MESSAGE_LIMIT)
        if message.ByteSize() > limit:
            raise InvalidFieldError(f"The message is longer than {limit} bytes; send less at once.")
        if method != _PIECES and (field := field_with_zero(message)):
            cause = "holds a zero character (U+0000), which no text here may have; leave it out"
            raise InvalidFieldError(
                f"The call breaks a rule: {field} {cause}.", violations=[FieldViolation(field, cause)]
            )
        violations = self._validator.collect_violations(message)
        if violations:
            fields = [FieldViolation(_path(found), _cause(found, message)) for found in violations[:_MOST_VIOLATIONS]]
            first = f"{fields[0].field}: {fields[0].description}" if fields[0].field else fields[0].description
            more = f" and {len(violations) - 1} more" if len(violations) > 1 else ""
            raise InvalidFieldError(f"The call breaks a rule: {first}{more}.", violations=fields)


def field_with_zero(message: Message) -> str | None:
    """The name of a field, at any depth, whose text holds U+0000: PostgreSQL keeps no such text."""
    # Most messages hold no zero byte at all, which is found out at once.
    if b"\0" not in message.SerializeToString():
        return None
    waiting: list[Message] = [message]
    while waiting:
        for field, value in waiting.pop().ListFields():
            values = list(value) if field.is_repeated else [value]
            if field.message_type is not None and field.message_type.GetOptions().map_entry:
                values += value.values()
            if any(isinstance(one, str) and "\0" in one for one in values):
                return str(field.name)
            waiting += [one for one in values if hasattr(one, "ListFields")]
    return None


def _cause(violation: Violation, message: Message) -> str:
    """What the rule says; of a choice that was not made, between what it is."""
    choice = message.DESCRIPTOR.oneofs_by_name.get(_path(violation))
    if choice is None:
        return _WORDS.get(violation.proto.message) or str(violation.proto.message)
    return f"give exactly one of {', '.join(field.name for field in choice.fields)}"


def _path(violation: Violation) -> str:
    parts = []
    for element in violation.proto.field.elements if violation.proto.field is not None else ():
        subscript = element.subscript
        if subscript is None:
            parts.append(element.field_name)
        else:
            # A map's key is a stranger's text.
            key = subscript.value if isinstance(subscript.value, int) else shown(str(subscript.value))
            parts.append(f"{element.field_name}[{key}]")
    return ".".join(parts)
