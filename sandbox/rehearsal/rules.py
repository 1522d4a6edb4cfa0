"""Whether each request ended by the master's rules, and with the faults, of the moment in which it was executed.

The rules are read from the tables and told anew here, in the few words that questions of a rehearsal need.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from common.policy.live import read_policy
from common.search.body import read_body
from common.search.emit import emit_body
from response_svc.domain.incoming_request import MAX_RETRIES
from sandbox.rehearsal.ailments import unmarked

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from sqlalchemy import Row

    from sandbox.rehearsal.overseers import Overseers
    from sandbox.rehearsal.people import Asked, People
    from sandbox.rehearsal.side import Side

ENDED: Final = """
SELECT q.id, q.original_request_id AS request_id, q.outcome, q.failure_reason, q.message, q.executions, r.started_at,
    coalesce(convert_to(q.result_data::text, 'UTF8'),
             (SELECT string_agg(c.data, ''::bytea ORDER BY c.n) FROM result_chunks c WHERE c.id = q.id)) AS body
FROM query_results q JOIN incoming_requests r ON r.id = q.request_id
WHERE NOT q.id = ANY(:seen) ORDER BY q.executed_at, q.id
"""
BY_OPERATOR: Final = "An operator of the Response Network ended it"
DEFAULTS: Final = {"query.max_size": 1000, "query.max_aggregations": 32}
HEARD_SECONDS: Final = 5.0
PAUSE_SECONDS: Final = 0.005


@dataclass(slots=True)
class Rules:
    """The ledger of judgements. `broken` holds what was decided otherwise than the tables said at that moment."""

    overseers: Overseers
    seen: set[UUID] = field(default_factory=set)
    answered: set[UUID] = field(default_factory=set)
    refused: set[UUID] = field(default_factory=set)
    # What the engine's faults ended after all attempts.
    failed: set[UUID] = field(default_factory=set)
    broken: list[str] = field(default_factory=list)

    async def look(self, response: Side, people: People, attempts_lost: int) -> None:
        """Holds what was decided since the last time against the tables, which nobody has changed since.

        `attempts_lost` is how many executions died, or lost their lease, so far.
        """
        new = await response.rows(ENDED, seen=list(self.seen))
        if not new:
            return
        tables = await _tables(response)
        for row in new:
            self.seen.add(row.id)
            asked = people.asked.get(row.request_id)
            if asked is None:
                self.broken.append(f"request {row.request_id} ended as {row.outcome}, and nobody asked it")
                continue
            wrong = self._what_is_wrong(row, asked, _against(asked, tables), response, attempts_lost)
            if wrong:
                self.broken.append(f"request {row.request_id} {wrong}")

    def _what_is_wrong(self, row: Row[Any], asked: Asked, cause: str, response: Side, attempts_lost: int) -> str:
        match row.failure_reason or row.outcome:
            case "cancelled":
                # Told again to a network that was set back.
                return ""
            case "completed":
                self.answered.add(row.request_id)
                return f"was executed, although {cause}" if cause else self._of_another_time(row, asked)
            case "refused":
                self.refused.add(row.request_id)
                return self._why_refused(row, cause)
            case "expired":
                over = asked.not_after is not None and asked.not_after < response.clock()
                return "" if over else "expired before its time"
            case _:
                self.failed.add(row.request_id)
                return self._why_failed(row, asked, attempts_lost)

    def _of_another_time(self, row: Row[Any], asked: Asked) -> str:
        _, edition, half = unmarked(bytes(row.body))
        if half and not asked.accept_partial:
            return "has half an answer, and accepts only a whole one"
        oldest = self.overseers.oldest_edition(row.started_at) if asked.index == "cities" else 0
        return f"has an answer of content {edition}, forgotten before {oldest}" if edition < oldest else ""

    def _why_refused(self, row: Row[Any], cause: str) -> str:
        if row.message.startswith(BY_OPERATOR):
            return "" if row.request_id in self.overseers.ended else "was ended by no operator"
        if not row.message:
            return "was refused without a word"
        return "" if cause else f"was refused against the rules: {row.message}"

    def _why_failed(self, row: Row[Any], asked: Asked, attempts_lost: int) -> str:
        """Only after all its attempts, each of which met a fault of the engine that was there, or was lost."""
        met = self.overseers.ailments.met_by(asked.index, emit_body(read_body(asked.body)))
        if row.executions > MAX_RETRIES and met + attempts_lost > MAX_RETRIES:
            return ""
        return f"failed after {row.executions} executions, of which the engine used up {met}: {row.message}"


async def policy_is_heard(side: Side) -> None:
    """Waits until the process has taken over what was committed, by itself; it may take seconds, and no longer."""
    async with side.app.database.transaction() as transaction:
        committed = await read_policy(transaction.connection)
    async with asyncio.timeout(HEARD_SECONDS):
        while side.app.auth.policy.current != committed:  # noqa: ASYNC110 - it tells nobody.
            await asyncio.sleep(PAUSE_SECONDS)


async def _tables(response: Side) -> Mapping[str, Mapping[Any, Any]]:
    keys = {"profile_types": "name", "settings": "key", "indices": "name"}
    policy = {
        table: {
            row.key: row.content
            for row in await response.rows(f"SELECT {key} AS key, content FROM {table} WHERE NOT is_deleted")  # noqa: S608 - constants
        }
        for table, key in keys.items()
    }
    users = await response.rows("SELECT id, profile_type, is_active FROM users")
    return {**policy, "users": {row.id: row for row in users}}


def _against(asked: Asked, tables: Mapping[str, Mapping[Any, Any]]) -> str:
    """Why the tables do not let the question be asked; empty if they do."""
    user = tables["users"].get(asked.user_id)
    if user is None or not user.is_active:
        return "its user may not ask"
    profile = tables["profile_types"].get(user.profile_type, {"indices": ["*"], "query_kinds": ["*"]})
    if asked.index not in tables["indices"] or not {"*", asked.index} & set(profile["indices"]):
        return f"the index {asked.index} may not be searched"
    body = json.loads(asked.body)
    kinds = {"aggregation"} if "aggs" in body else set(body["query"]) - {"match_all"}
    if profile["query_kinds"] != ["*"] and not kinds <= set(profile["query_kinds"]):
        return f"its profile type permits no {kinds}"
    limits = {key: tables["settings"].get(key, {"value": value})["value"] for key, value in DEFAULTS.items()}
    if body["size"] > limits["query.max_size"] or len(body.get("aggs", {})) > limits["query.max_aggregations"]:
        return "it asks for too much"
    return ""
