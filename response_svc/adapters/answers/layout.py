"""Under which names answers lie in Redis, and in which bytes."""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING, Final

from common.search.bucket_count import DEFAULT_SIZE
from common.search.normal import normal_form
from response_svc.domain.incoming_request import Answer

if TYPE_CHECKING:
    from response_svc.domain.question import Question

# A layout version, the generation, when it was kept (by the server's own clock, which the scripts write and read), the
# engine's milliseconds and the hit count, before the answer's own bytes.
LAYOUT: Final = 3
GENERATION_BYTES: Final = 8
BEFORE_TIME: Final = struct.Struct(f">B{2 * GENERATION_BYTES}s")
AFTER_TIME: Final = struct.Struct(">IQ")
HEAD_BYTES: Final = BEFORE_TIME.size + 8 + AFTER_TIME.size

EVERY_INDEX_KEY: Final = "es-generation"


def generation_key(index: str) -> str:
    """Where the generation of the answers of `index` is kept."""
    return f"{EVERY_INDEX_KEY}:{index}"


def cache_key(question: Question) -> str:
    """Where the answer is kept: `es:{index}:{sha256 of the normal form}:{size}:{from}:{digest of the rights}`."""
    search = question.search
    size = search.size if search.HasField("size") else DEFAULT_SIZE
    digest = hashlib.sha256(normal_form(search)).hexdigest()
    return f"es:{question.index}:{digest}:{size}:{search.from_offset}:{question.scope.rights.hex()}"


def askings_key(key: str) -> str:
    """Where it is noted when what lies under `key` was last asked for."""
    return f"es-asked:{key}"


def flight_key(key: str) -> str:
    """Where it stands who executes what is to lie under `key`."""
    return f"es-flight:{key}"


def end_key(token: bytes) -> str:
    """Where those who wait for a flight are told that it brought no answer."""
    return f"es-flight-end:{token.hex()}"


def before_time(generation: bytes) -> bytes:
    """The first part of an entry."""
    return BEFORE_TIME.pack(LAYOUT, generation)


def after_time(answer: Answer) -> bytes:
    """The last part of an entry."""
    return AFTER_TIME.pack(min(answer.engine_took_ms, 0xFFFFFFFF), answer.hit_count) + answer.body


def answer_in(entry: bytes) -> Answer:
    """The answer that an entry of this layout holds, marked as kept."""
    took_ms, hit_count = AFTER_TIME.unpack_from(entry, BEFORE_TIME.size + 8)
    return Answer(body=entry[HEAD_BYTES:], hit_count=hit_count, engine_took_ms=took_ms, cache_hit=True)
