"""Whether each request was judged by the master's rules of the moment in which it was executed or refused.

The rules are read from the tables and told anew here, in the few words that questions of a rehearsal need.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from common.policy.live import read_policy

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from sandbox.rehearsal.people import Asked, People
    from sandbox.rehearsal.side import Side

ENDED: Final = (
    "SELECT id, original_request_id AS request_id, outcome, failure_reason, message FROM query_results "
    "WHERE outcome = 'completed' OR failure_reason = 'refused' ORDER BY executed_at, id"
)
DEFAULTS: Final = {"query.max_size": 1000, "query.max_aggregations": 32}
HEARD_SECONDS: Final = 5.0
PAUSE_SECONDS: Final = 0.005


@dataclass(slots=True)
class Rules:
    """The ledger of judgements. `broken` holds what was decided otherwise than the tables said at that moment."""

    seen: set[UUID] = field(default_factory=set)
    answered: set[UUID] = field(default_factory=set)
    refused: set[UUID] = field(default_factory=set)
    broken: list[str] = field(default_factory=list)

    async def look(self, response: Side, people: People) -> None:
        """Holds what was decided since the last time against the tables, which nobody has changed since."""
        new = [row for row in await response.rows(ENDED) if row.id not in self.seen]
        if not new:
            return
        tables = await _tables(response)
        for row in new:
            self.seen.add(row.id)
            cause = _against(people.asked.get(row.request_id), tables)
            if row.outcome == "completed":
                self.answered.add(row.request_id)
                if cause:
                    self.broken.append(f"request {row.request_id} was executed, although {cause}")
                continue
            self.refused.add(row.request_id)
            if not cause:
                self.broken.append(f"request {row.request_id} was refused against the rules: {row.message}")
            if not row.message:
                self.broken.append(f"request {row.request_id} was refused without a word")


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


def _against(asked: Asked | None, tables: Mapping[str, Mapping[Any, Any]]) -> str:
    """Why the tables do not let the question be asked; empty if they do."""
    if asked is None:
        return "nobody asked it"
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
