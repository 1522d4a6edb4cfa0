"""What the use cases need from outside, in this service's words. The adapters stand behind these names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.audit.record import AuditEntry
    from request_svc.domain.api_key import ApiKey
    from request_svc.domain.request import NewRequest, Request, Response
    from request_svc.domain.status import RequestStatus
    from request_svc.domain.user import ReplicatedUser


@dataclass(frozen=True, slots=True)
class RequestFilter:
    """Which of a user's requests a list shows; None and empty leave a condition out. Times bound `created_at`."""

    user_id: UUID
    statuses: frozenset[RequestStatus] = frozenset()
    index: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    newest_first: bool = True


@dataclass(frozen=True, slots=True)
class UserFilter:
    """Which users a list shows, by name."""

    username_prefix: str = ""
    is_active: bool | None = None


@dataclass(frozen=True, slots=True)
class ApiKeyFilter:
    """Which of a user's API keys a list shows: those that are good at `now`, or all; with `key_id` that one at most."""

    user_id: UUID
    now: datetime
    include_ended: bool = False
    key_id: UUID | None = None


NewRow: TypeAlias = "tuple[NewRequest, AuditEntry]"
"""A request with the audit row that tells of it."""

Settle: TypeAlias = "Callable[[AsyncConnection, Sequence[NewRequest]], Awaitable[None]]"
"""Looks, before the commit, at those of several requests whose idempotency keys were there already.

Raises an AirlockError to have none of them stored. It may be called again, in another transaction.
"""


class RequestWriter(Protocol):
    """Makes new requests durable."""

    async def write(self, request: NewRequest, audit: AuditEntry) -> bool:
        """Returns once request and audit row are committed; False if the user's idempotency key was there already.

        Raises UnavailableError when the database does not answer; then the request may or may not have been stored.
        """
        ...

    async def write_together(self, rows: Sequence[NewRow], settle: Settle) -> None:
        """Returns once all of them are committed, but for those whose key was there already; else none is.

        Raises what `settle` raises, and UnavailableError as `write` does. No two rows may have one key.
        """
        ...


class RequestStore(Protocol):
    """Requests, each owned by one user. Every method runs in the caller's transaction."""

    async def find(self, connection: AsyncConnection, request_id: UUID, user_id: UUID) -> Request | None:
        """The request, if it is that user's."""
        ...

    async def find_for_update(self, connection: AsyncConnection, request_id: UUID, user_id: UUID) -> Request | None:
        """The same, locked until the transaction ends."""
        ...

    async def find_by_key(
        self, connection: AsyncConnection, user_id: UUID, idempotency_key: str
    ) -> tuple[Request, bytes] | None:
        """The request that the user submitted under that key, with its normal form."""
        ...

    async def find_by_keys(
        self, connection: AsyncConnection, user_id: UUID, idempotency_keys: Sequence[str]
    ) -> Mapping[str, tuple[Request, bytes]]:
        """The same for several keys; those that are not there are left out."""
        ...

    async def page(
        self, connection: AsyncConnection, wanted: RequestFilter, after: tuple[datetime, UUID] | None, limit: int
    ) -> list[Request]:
        """At most `limit` requests in order of creation, beginning behind `after` (created_at, id)."""
        ...

    async def cancel(
        self, connection: AsyncConnection, request_id: UUID, at: datetime, *, tell_the_other_network: bool
    ) -> Request:
        """Makes an open request cancelled, and a cancellation record due if the other network may know of it."""
        ...

    async def statuses(
        self, connection: AsyncConnection, user_id: UUID, ids: Sequence[UUID], created_since: datetime | None
    ) -> dict[UUID, RequestStatus]:
        """Where the user's requests stand that are named, or that were created at or after a time."""
        ...

    async def open_ids(self, connection: AsyncConnection, user_id: UUID, limit: int) -> list[UUID]:
        """The user's requests that have not ended, the newest first."""
        ...

    async def find_many(self, connection: AsyncConnection, user_id: UUID, ids: Sequence[UUID]) -> list[Request]:
        """Those of the named requests that are the user's."""
        ...


class ResponseStore(Protocol):
    """Answers: what came back, and its bytes in pieces."""

    async def find(self, connection: AsyncConnection, request_id: UUID) -> Response | None:
        """What came back for a request, without the bytes."""
        ...

    async def small_data(self, connection: AsyncConnection, request_id: UUID) -> bytes | None:
        """The bytes of an answer that is held in one piece; None where it is held in several."""
        ...

    async def piece(self, connection: AsyncConnection, request_id: UUID, number: int) -> bytes | None:
        """Piece `number`, from 0, of an answer held in several; at most 256 KiB."""
        ...


class AnswerCache(Protocol):
    """Small answers at hand. It may forget at any moment, and being away is no error."""

    async def get(self, request_id: UUID) -> bytes | None:
        """The answer's bytes, if they are here."""
        ...

    async def put(self, answers: Sequence[tuple[UUID, bytes]]) -> None:
        """Keeps these answers for a while."""
        ...


class UserStore(Protocol):
    """The replica of users. There is no method that makes or changes one."""

    async def find(self, connection: AsyncConnection, user_id: UUID) -> ReplicatedUser | None:
        """One user, active or not."""
        ...

    async def page(
        self, connection: AsyncConnection, wanted: UserFilter, after: str | None, limit: int
    ) -> list[ReplicatedUser]:
        """At most `limit` users by name, beginning behind the name `after`."""
        ...


class RequestChanges(Protocol):
    """Tells watchers that some request may have changed."""

    def ticks(self) -> AsyncGenerator[None]:
        """Yields at once, then soon after a change that is committed, on any host, and now and then without one."""
        ...


class ApiKeyStore(Protocol):
    """API keys by hash. Every method runs in the caller's transaction."""

    async def hold_user(self, connection: AsyncConnection, user_id: UUID) -> None:
        """Until the transaction ends, whoever else makes, rotates or revokes a key of that user waits."""
        ...

    async def count_living(self, connection: AsyncConnection, user_id: UUID, now: datetime) -> int:
        """How many good keys without a successor the user has."""
        ...

    async def add(self, connection: AsyncConnection, key: ApiKey, key_hash: bytes) -> None:
        """Keeps a new key, and tells every process of it once the transaction commits, as all changes below do."""
        ...

    async def find(self, connection: AsyncConnection, key_id: UUID) -> ApiKey | None:
        """One key, whoever's it is."""
        ...

    async def page(
        self, connection: AsyncConnection, wanted: ApiKeyFilter, before: tuple[datetime, UUID] | None, limit: int
    ) -> list[ApiKey]:
        """At most `limit` keys, the newest first, beginning behind `before` (created_at, id)."""
        ...

    async def rotate(
        self, connection: AsyncConnection, key_id: UUID, successor: UUID, overlap_ends_at: datetime
    ) -> None:
        """Notes the successor of a key, and until when both are good."""
        ...

    async def revoke(
        self, connection: AsyncConnection, key_id: UUID, *, at: datetime, by: UUID, with_successors: bool
    ) -> list[UUID]:
        """Ends a key, and with it what came of it by rotation; returns those that were not revoked before."""
        ...

    async def mark_ended(self, connection: AsyncConnection, now: datetime) -> int:
        """Marks the keys whose time is over as inactive; returns how many those were."""
        ...

    async def forget(self, connection: AsyncConnection, ended_before: datetime) -> int:
        """Deletes the keys that ended before that time; returns how many those were."""
        ...


class KnownApiKeys(Protocol):
    """This process's memory of keys."""

    def forget(self, key_ids: Iterable[UUID]) -> None:
        """Looks these up again when they come next: for changes that this process has committed."""
        ...
