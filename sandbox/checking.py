"""The same question asked of the engine directly, and the two answers compared."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Protocol

from common.search.body import read_body

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.dataset import ElasticsearchServer
    from sandbox.demo_queries import Question

ANSWER_SECONDS = 30.0
ANSWER_BYTES = 32 * 1024 * 1024


class DirectEngine(Protocol):
    """Answers without any gap in between."""

    def answer(self, question: Question) -> bytes:
        """The engine's JSON."""
        ...

    def close(self) -> None:
        """Lets go of files and connections."""
        ...


class BuiltInEngine:
    """The built-in engine in this process, over the same folder."""

    def __init__(self, folder: Path) -> None:
        from response_svc.search.embedded import EmbeddedEngine

        self._runner = asyncio.Runner()
        self._engine = EmbeddedEngine(folder)

    def answer(self, question: Question) -> bytes:
        """The engine's JSON."""
        call = self._engine.search(
            question.index,
            read_body(question.body),
            timeout_seconds=ANSWER_SECONDS,
            max_bytes=ANSWER_BYTES,
            accept_partial=False,
        )
        return self._runner.run(call).body

    def close(self) -> None:
        """Closes the index."""
        self._runner.run(self._engine.close())
        self._runner.close()


class RealElasticsearch:
    """The real server by plain HTTP, with the body exactly as the user wrote it."""

    def __init__(self, server: ElasticsearchServer) -> None:
        self._client = server.client()

    def answer(self, question: Question) -> bytes:
        """The server's JSON."""
        answer = self._client.post(
            f"/{question.index}/_search", content=question.body, headers={"content-type": "application/json"}
        )
        return answer.raise_for_status().content

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()


def direct_engine(server: ElasticsearchServer | None, folder: Path) -> DirectEngine:
    """The engine that the Response Network uses, asked directly."""
    return RealElasticsearch(server) if server is not None else BuiltInEngine(folder)


def same_answer(ours: bytes, direct: bytes) -> bool:
    """Whether both say the same; how long the engine took is its own business."""
    return _without_took(ours) == _without_took(direct)


def _without_took(body: bytes) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(body)
    answer.pop("took", None)
    return answer
