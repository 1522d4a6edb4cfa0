"""The built-in engine behind the port: opens indices read-only and answers in Elasticsearch's shape, in a thread."""

from __future__ import annotations

import asyncio
import time
from importlib.metadata import version
from pathlib import Path
from threading import Event, Lock
from typing import TYPE_CHECKING

import structlog

from response_svc.search.answers import (
    EngineAnswer,
    EngineError,
    EngineHealth,
    EngineUnavailableError,
    NoSuchIndexError,
    ResultTooLargeError,
)
from response_svc.search.embedded.answering import answer
from response_svc.search.embedded.context import Context
from response_svc.search.embedded.layout import META
from response_svc.search.embedded.opened import OpenIndex
from response_svc.search.embedded.refusals import unsupported
from response_svc.search.field_list import carried

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airlock.search.v1.search_pb2 import Search

log = structlog.get_logger("response.search")

NAME = "embedded"


class EmbeddedEngine:
    """Answers searches from the indices that `load_index` has built below a directory.

    Indices are never written, so any number of processes may open the same directory. An index that is built later is
    found when it is asked for.
    """

    def __init__(self, directory: Path | str) -> None:
        self._directory = Path(directory)
        self._open: dict[str, OpenIndex] = {}
        self._lock = Lock()

    async def search(
        self, index: str, search: Search, *, timeout_seconds: float, max_bytes: int, accept_partial: bool
    ) -> EngineAnswer:
        """The answer of one index. It is never partial, so `accept_partial` changes nothing."""
        del accept_partial
        given_up = Event()
        try:
            return await asyncio.to_thread(self._search, index, search, timeout_seconds, max_bytes, given_up)
        finally:
            # Nobody can cancel a thread; where this is cancelled, the search looks here as often as at its time.
            given_up.set()

    async def fields(self, index: str) -> Mapping[str, str]:
        """The type of each field of one index, objects and subfields included."""
        return await asyncio.to_thread(self._fields, index)

    async def check(self) -> EngineHealth:
        """Whether the directory is there, and which indices it holds."""
        names = await asyncio.to_thread(self._names)
        if names is None:
            detail = f"{self._directory} is not there; set EMBEDDED_SEARCH_DIR to a directory with loaded indices"
            return EngineHealth(NAME, version("tantivy"), healthy=False, detail=detail)
        detail = f"indices: {', '.join(names) or 'none'}"
        return EngineHealth(NAME, version("tantivy"), healthy=True, detail=detail)

    async def close(self) -> None:
        """Lets go of the open indices."""
        with self._lock:
            self._open.clear()

    def _names(self) -> list[str] | None:
        if not self._directory.is_dir():
            return None
        return sorted(meta.parent.name for meta in self._directory.glob(f"*/{META}") if meta.parent.name[0] != ".")

    def _fields(self, name: str) -> Mapping[str, str]:
        fields = self._index(name).fields.values()
        parents = {".".join(field.path[:length]) for field in fields for length in range(1, len(field.path))}
        return carried(name, dict.fromkeys(parents, "object") | {field.name: field.kind.value for field in fields})

    def _search(
        self, name: str, search: Search, timeout_seconds: float, max_bytes: int, given_up: Event
    ) -> EngineAnswer:
        started = time.monotonic()
        index = self._index(name)
        context = Context(
            index,
            now_millis=time.time_ns() // 1_000_000,
            deadline=started + timeout_seconds,
            is_given_up=given_up.is_set,
        )
        body, hit_count = self._answer(context, search, started, max_bytes)
        if len(body) > max_bytes:
            raise ResultTooLargeError(f"the answer is larger than {max_bytes} bytes; ask for fewer hits or fields")
        return EngineAnswer(body=body, took_ms=int((time.monotonic() - started) * 1000), hit_count=hit_count)

    def _answer(self, context: Context, search: Search, started: float, max_bytes: int) -> tuple[bytes, int]:
        try:
            return answer(context, search, started, max_bytes)
        except (EngineError, OSError, MemoryError):
            raise
        except Exception as error:
            # The same search would meet the same fault again, so it is not one that passes.
            log.exception("embedded_search_failed", index=context.index.name)
            raise unsupported("this search, over which it met a fault of its own that its log describes") from error

    def _index(self, name: str) -> OpenIndex:
        with self._lock:
            opened = self._open.get(name)
            if opened is None:
                folder = self._directory / name
                # Names with separators have been refused long before; this keeps a path from leaving the directory.
                if folder.parent != self._directory or not (folder / META).is_file():
                    raise NoSuchIndexError(f"no such index [{name}]")
                try:
                    opened = OpenIndex(name, folder)
                except (OSError, ValueError, KeyError) as error:
                    raise EngineUnavailableError(f"the index {name} cannot be opened; build it again") from error
                self._open[name] = opened
            return opened
