"""Counts attempts to sign in before the password is looked at, in PostgreSQL, so that all processes count together."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Final

from sqlalchemy import and_, delete, select
from sqlalchemy.dialects.postgresql import insert

from common.auth.names import folded
from common.auth.tables import sign_in_attempts
from common.auth.throttle import Count, expires_at, with_attempt, without_attempt

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.auth.throttle import ThrottleRules

columns = sign_in_attempts.c

_NAME: Final = "name"
_ADDRESS: Final = "address"
_IPV6_SUBSCRIBER_BITS: Final = 64
"""One IPv6 subscriber has at least a /64, so the rest of an address costs him nothing."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is counted: a name, or an address."""

    kind: str
    subject_hash: bytes

    def free(self, rules: ThrottleRules) -> int:
        """How many attempts this sort of subject has without a delay."""
        return rules.free_attempts_per_name if self.kind == _NAME else rules.free_attempts_per_address


def subjects_of(username: str, address: str | None) -> list[Subject]:
    """The subjects of one attempt, always in the order in which their rows are locked."""
    name = Subject(_NAME, _hash(folded(username)))
    subscriber = _subscriber(address)
    return [Subject(_ADDRESS, _hash(subscriber)), name] if subscriber is not None else [name]


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether an attempt may be made: not before `wait` is over. If it may, the next one is `blocked` for so long."""

    wait: timedelta
    blocked: timedelta = timedelta(0)


async def count_attempt(
    connection: AsyncConnection, subjects: Sequence[Subject], *, rules: ThrottleRules, at: datetime
) -> Admission:
    """Counts one attempt, or says how long it has to wait and counts nothing.

    The rows stay locked until the transaction ends, so that attempts made at once are counted one after the other.
    """
    counts = await _locked(connection, subjects, at)
    waits = [count.wait(at, rules) for count in counts if count is not None]
    if any(waits):
        return Admission(max(waits))
    blocked = timedelta(0)
    for subject, count in zip(subjects, counts, strict=True):
        counted = with_attempt(count, at, free=subject.free(rules), rules=rules)
        await _keep(connection, subject, counted, rules)
        blocked = max(blocked, counted.wait(at, rules))
    return Admission(timedelta(0), blocked)


async def forgive_attempt(connection: AsyncConnection, subjects: Sequence[Subject], *, rules: ThrottleRules) -> None:
    """After a right password: the name's count is cleared, and the address gets back this one attempt and no other."""
    for subject in subjects:
        if subject.kind == _NAME:
            await connection.execute(delete(sign_in_attempts).where(_row(subject)))
            continue
        held = select(columns.attempts, columns.window_started_at, columns.blocked_until).where(_row(subject))
        row = (await connection.execute(held.with_for_update())).one_or_none()
        if row is not None:
            await _keep(connection, subject, without_attempt(Count(*row), free=subject.free(rules)), rules)


async def forget_name(connection: AsyncConnection, username: str) -> None:
    """Clears the count of a name."""
    await connection.execute(delete(sign_in_attempts).where(_row(Subject(_NAME, _hash(folded(username))))))


async def forget_attempts(connection: AsyncConnection, at: datetime) -> int:
    """Deletes counts that say nothing any more; returns how many."""
    return (await connection.execute(delete(sign_in_attempts).where(columns.expires_at <= at))).rowcount


async def _locked(connection: AsyncConnection, subjects: Sequence[Subject], at: datetime) -> list[Count | None]:
    """The counts of the subjects, their rows made where there were none, and locked in the order given."""
    rows = [
        {
            "kind": subject.kind,
            "subject_hash": subject.subject_hash,
            "attempts": 0,
            "window_started_at": at,
            "expires_at": at,
        }
        for subject in subjects
    ]
    statement = insert(sign_in_attempts).values(rows)
    # An update that changes nothing locks the row and gives it back as the last transaction left it.
    statement = statement.on_conflict_do_update(
        index_elements=[columns.kind, columns.subject_hash], set_={"kind": statement.excluded.kind}
    )
    found = await connection.execute(
        statement.returning(columns.kind, columns.attempts, columns.window_started_at, columns.blocked_until)
    )
    by_kind = {row.kind: Count(row.attempts, row.window_started_at, row.blocked_until) for row in found}
    return [by_kind[subject.kind] if by_kind[subject.kind].attempts else None for subject in subjects]


async def _keep(connection: AsyncConnection, subject: Subject, count: Count, rules: ThrottleRules) -> None:
    await connection.execute(
        sign_in_attempts.update()
        .where(_row(subject))
        .values(
            attempts=count.attempts,
            window_started_at=count.window_started_at,
            blocked_until=count.blocked_until,
            expires_at=expires_at(count, rules),
        )
    )


def _row(subject: Subject) -> ColumnElement[bool]:
    return and_(columns.kind == subject.kind, columns.subject_hash == subject.subject_hash)


def _subscriber(address: str | None) -> str | None:
    """The address as it is counted, without the part of it that its owner may choose."""
    if address is None:
        return None
    try:
        seen = ip_address(address)
    except ValueError:
        return None
    if isinstance(seen, IPv6Address):
        seen = seen.ipv4_mapped or seen
    if isinstance(seen, IPv6Address):
        return str(ip_network((seen, _IPV6_SUBSCRIBER_BITS), strict=False))
    return str(seen)


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()
