"""What must hold once everything has settled, whatever the courier, the disks and the backups did."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from common.search.body import read_body
from sandbox.checking import same_answer
from sandbox.rehearsal.ailments import unmarked
from sandbox.rehearsal.crowd import batch_violations
from sandbox.rehearsal.entries import entry_violations
from sandbox.rehearsal.overseers import fits_the_master
from sandbox.rehearsal.replicas import replica_violations
from sandbox.rehearsal.surviving import surviving_requests
from sandbox.rehearsal.trails import trail_violations

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row

    from common.batches.overview import StreamsView
    from sandbox.rehearsal.crowd import Crowd
    from sandbox.rehearsal.people import Asked, People
    from sandbox.rehearsal.rules import Rules
    from sandbox.rehearsal.side import Side

FINAL = ("completed", "failed", "cancelled")
ANSWERS = """
SELECT q.id, q.status, q.failure_reason, r.request_id IS NOT NULL AS answered,
    coalesce(convert_to(r.result_data::text, 'UTF8'),
             (SELECT string_agg(c.data, ''::bytea ORDER BY c.n) FROM result_chunks c WHERE c.id = r.id)) AS body
FROM requests q LEFT JOIN responses r ON r.request_id = q.id
"""
QUEUE = "SELECT original_request_id AS id, min(status) AS status, count(*) AS times FROM incoming_requests GROUP BY 1"
RESULTS = """
SELECT q.original_request_id AS id, q.outcome AS status, upper(q.failure_reason) AS failure_reason,
    coalesce(convert_to(q.result_data::text, 'UTF8'),
             (SELECT string_agg(c.data, ''::bytea ORDER BY c.n) FROM result_chunks c WHERE c.id = q.id)) AS body
FROM query_results q
"""
# Of the present epoch only: what a restore made untrue in earlier ones is ended by the new one.
COUNTED = (
    "SELECT sequence, digest FROM stream_bundles WHERE direction = 'outgoing' AND acknowledged_at IS NOT NULL "
    "AND epoch = (SELECT max(epoch) FROM streams) ORDER BY sequence"
)
HELD = (
    "SELECT sequence, digest FROM stream_bundles WHERE direction = 'incoming' AND disposition <> 'refused' "
    "AND epoch = (SELECT max(epoch) FROM streams)"
)
APPLIED_AGAIN = (
    "SELECT epoch, sequence, count(*) AS times FROM import_batches WHERE status = 'completed' "
    "GROUP BY 1, 2 HAVING count(*) > 1 ORDER BY 1, 2"
)
TOLD = (
    "SELECT r.original_request_id AS id, r.status, c.request_id IS NOT NULL AS told FROM incoming_requests r "
    "LEFT JOIN cancellations c ON c.request_id = r.original_request_id ORDER BY 1"
)


@dataclass(frozen=True, slots=True)
class Window:
    """A database was set back from `lost_until` to what it was at `kept_until`: what is between may be gone."""

    side: str
    kept_until: datetime
    lost_until: datetime

    def holds(self, moment: datetime) -> bool:
        """Whether something of that moment may be gone."""
        return self.kept_until <= moment <= self.lost_until


@dataclass(slots=True)
class Findings:
    """What was counted, and every rule that did not hold."""

    violations: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def count(self, what: str) -> None:
        """One more."""
        self.counts[what] = self.counts.get(what, 0) + 1


async def check(
    sides: Mapping[str, Side], crowd: Crowd, rules: Rules, windows: list[Window], streams: Mapping[str, StreamsView]
) -> Findings:
    """Looks at both databases and the ledger."""
    people = crowd.people
    findings = Findings()
    request, response = sides["request"], sides["response"]
    rows = {row.id: row for row in await request.rows(ANSWERS)}
    results = await response.rows(RESULTS)
    judge = Judge(people, rules, Engine(response))
    await _each_request(rows.values(), judge, findings)
    await _each_request((row for row in results if row.id not in rows), judge, findings, "on the other network only")
    surviving = await asyncio.to_thread(surviving_requests, sides)
    lost = Lost({row.id for row in results} - rows.keys(), surviving.keys() - rows.keys())
    await _nothing_missing(rows, people, windows, lost, findings)
    await _queue(response, findings)
    findings.violations += await _cancellations(rows, people, windows, response)
    findings.violations += [*_streams(streams), *rules.broken]
    findings.violations += await replica_violations(request, response)
    findings.violations += await entry_violations(request, people, windows)
    findings.violations += await batch_violations(request, crowd)
    if not windows:
        findings.violations += await fits_the_master(rows, {row.id: row for row in results})
    findings.violations += await trail_violations(sides, windows, findings)
    for side, peer in ((request, response), (response, request)):
        findings.violations += await _custody(side, peer)
    counted = Counter(row.id for row in results)
    findings.violations += [f"{row_id} has {times} results" for row_id, times in counted.items() if times > 1]
    return findings


@dataclass(frozen=True, slots=True)
class Lost:
    """What the Request Network does not know and something else does."""

    # The Response Network ended them.
    ended_there: AbstractSet[UUID]
    # A sealed bundle that survived holds them.
    in_bundles: AbstractSet[UUID]

    def what_is_left(self, request_id: UUID) -> str:
        """Where a request that the Request Network lost still is."""
        if request_id in self.ended_there:
            return "lost here, ended on the other network"
        return "lost here, in a surviving bundle" if request_id in self.in_bundles else "lost"


@dataclass(frozen=True, slots=True)
class Judge:
    """Says of each final state whether it is the true one."""

    people: People
    rules: Rules
    engine: Engine

    async def what_is_wrong(self, row: Row[Any]) -> str:
        """Empty where all is well."""
        asked = self.people.asked.get(row.id)
        if asked is None:
            return "nobody asked this"
        return await _what_is_wrong(row, asked, self)


async def _each_request(rows: Iterable[Row[Any]], judge: Judge, findings: Findings, where: str = "") -> None:
    for row in rows:
        if not where:
            findings.count(row.status)
        wrong = await judge.what_is_wrong(row)
        if wrong:
            findings.violations.append(f"request {row.id}{where and f', {where}'}: {wrong}")


async def _what_is_wrong(row: Row[Any], asked: Asked, judge: Judge) -> str:
    match row.status:
        case "completed":
            if row.id not in judge.rules.answered:
                return "it is completed, and was never executed"
            body = unmarked(bytes(row.body))[0] if row.body is not None else b"{}"
            return "" if same_answer(body, await judge.engine.answer(asked)) else "its answer is not the engine's"
        case "failed":
            return _why_failed(row, asked, judge)
        case "cancelled":
            return "" if asked.request_id in judge.people.cancelled else "it is cancelled, and nobody cancelled it"
        case status:
            return f"it is {status} and never ended"


def _why_failed(row: Row[Any], asked: Asked, judge: Judge) -> str:
    if row.failure_reason == "EXPIRED":
        return "" if asked.not_after is not None else "it expired without a time to do so"
    if row.failure_reason == "REFUSED":
        return "" if row.id in judge.rules.refused else "it was refused, and nobody saw the rules refuse it"
    return "" if row.id in judge.rules.failed else f"it failed, and nobody saw why: {row.failure_reason}"


async def _nothing_missing(
    rows: dict[UUID, Row[Any]], people: People, windows: list[Window], lost: Lost, findings: Findings
) -> None:
    """The ledger holds everything that was ever accepted, so whatever lies in a bundle as well."""
    own = [window for window in windows if window.side == "request"]
    unknown = lost.in_bundles - people.asked.keys()
    findings.violations += [f"request {request_id} lies in a bundle, and nobody asked it" for request_id in unknown]
    for request_id, asked in people.asked.items():
        if request_id in rows:
            continue
        left = lost.what_is_left(request_id)
        findings.count(left)
        if not any(window.holds(asked.asked_at) for window in own):
            findings.violations.append(f"request {request_id} is {left}, and no restore explains it")


async def _queue(response: Side, findings: Findings) -> None:
    for row in await response.rows(QUEUE):
        if row.times != 1:
            findings.violations.append(f"request {row.id} is queued {row.times} times")
        if row.status not in {*FINAL, "expired"}:
            findings.violations.append(f"request {row.id} is {row.status} on the Response Network and never ended")


async def _cancellations(
    rows: dict[UUID, Row[Any]], people: People, windows: list[Window], response: Side
) -> list[str]:
    """An answer to a cancelled request is dropped, so that nothing else shows whether the other network was told."""
    violations = []
    for row in await response.rows(TOLD):
        if (row.told or row.status == "cancelled") and row.id not in people.cancelled:
            violations.append(f"request {row.id} is cancelled on the Response Network, and nobody cancelled it")
        cancelled = row.id in rows and rows[row.id].status == "cancelled"
        # A network that was set back may have forgotten that the request travelled, or what it was told of it.
        forgotten = any(window.lost_until >= people.asked[row.id].asked_at for window in windows)
        if cancelled and not row.told and not forgotten:
            violations.append(f"request {row.id} was cancelled, and the Response Network was never told")
    return violations


async def _custody(side: Side, peer: Side) -> list[str]:
    """What `side` counts as held by `peer` is held there, byte for byte; and what it received it applied once."""
    held = {row.sequence: bytes(row.digest) for row in await peer.rows(HELD)}
    return [
        *(
            f"{side.name} counts its bundle {row.sequence} as held, and {peer.name} does not hold those bytes"
            for row in await side.rows(COUNTED)
            if held.get(row.sequence) != bytes(row.digest)
        ),
        *(
            f"{side.name} applied bundle {row.sequence} of epoch {row.epoch} {row.times} times"
            for row in await side.rows(APPLIED_AGAIN)
        ),
    ]


def _streams(streams: Mapping[str, StreamsView]) -> Iterator[str]:
    epochs = {view.outgoing.epoch for view in streams.values()} | {view.incoming.epoch for view in streams.values()}
    if len(epochs) > 1:
        yield f"the networks are in different epochs: {sorted(epochs)}"
    for name, view in streams.items():
        if view.outgoing.alarm:
            yield f"{name} stands still: {view.outgoing.alarm}"
        if view.incoming.alarm:
            yield f"{name} saw a fork that no new epoch ended: {view.incoming.alarm}"
        if view.incoming.missing:
            yield f"{name} misses {view.incoming.missing}"
        if view.incoming.refused_count:
            yield f"{name} still refuses {view.incoming.refused_count} bundles"
        if view.outgoing.in_flight > 1:
            yield f"{name} has {view.outgoing.in_flight} bundles in flight"


class Engine:
    """The Response Network's engine, asked directly; each question once."""

    def __init__(self, response: Side) -> None:
        self._engine = response.engine.plain
        self._known: dict[tuple[str, bytes], bytes] = {}

    async def answer(self, asked: Asked) -> bytes:
        """The engine's JSON."""
        key = (asked.index, asked.body)
        if key not in self._known:
            answer = await self._engine.search(
                asked.index,
                read_body(asked.body),
                timeout_seconds=30,
                max_bytes=32 * 1024 * 1024,
                accept_partial=False,
            )
            self._known[key] = answer.body
        return self._known[key]
