"""What this network's use cases need from outside, in the project's words; `adapters` and `search` supply it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime, timedelta
    from uuid import UUID

    from airlock.search.v1.search_pb2 import Search
    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.policy.limits import EffectiveLimits
    from common.policy.policy import Policy
    from response_svc.domain.cache_state import CacheState
    from response_svc.domain.claim import Claim
    from response_svc.domain.flight import Flight, NoAnswer
    from response_svc.domain.incoming_request import (
        Answer,
        ClaimedRequest,
        FinalEnd,
        IncomingRequest,
        RetryLater,
        Status,
    )
    from response_svc.domain.policy_row import PolicyRow, PolicyVersion
    from response_svc.domain.question import Question
    from response_svc.domain.user import User
    from response_svc.domain.user_list import UserFilter, UserOrder, UserPlace
    from response_svc.search.answers import EngineAnswer, EngineError, EngineHealth


class UnstorableAnswerError(Exception):
    """The engine's answer is no JSON that PostgreSQL can keep."""


class SearchEngine(Protocol):
    """A search engine that is only ever read. Its errors are those of `response_svc.search.answers`."""

    async def search(
        self, index: str, search: Search, *, timeout_seconds: float, max_bytes: int, accept_partial: bool
    ) -> EngineAnswer:
        """The answer of exactly one index.

        Raises EngineError: TimeoutError after `timeout_seconds`, ResultTooLargeError beyond `max_bytes` of answer, and
        PartialResultError for an incomplete answer unless `accept_partial`.
        """
        ...

    async def fields(self, index: str) -> Mapping[str, str]:
        """The type of each field of exactly one index, in Elasticsearch's words, objects and subfields included.

        Raises EngineError: NoSuchIndexError, EngineRefusedError for more fields than can be carried, or one that may
        pass.
        """
        ...

    async def check(self) -> EngineHealth:
        """Whether the engine can answer now; never raises."""
        ...

    async def close(self) -> None:
        """Gives back connections and files."""
        ...


class CurrentPolicy(Protocol):
    """What counts now."""

    @property
    def current(self) -> Policy:
        """The policy as it was last read, a few seconds ago at most."""
        ...


class AnswerCache(Protocol):
    """Answers kept for a while. It may lose any of them at any time, and being away is no error but to `forget`."""

    async def find(self, question: Question, *, again: bool = False) -> Answer | Flight | None:
        """The kept answer, marked as kept, or the flight that is to bring one; None if there is no keeping it.

        The first who asks leads the flight, and the others wait for it. With `again` this asking was counted before.
        """
        ...

    async def keep(self, flight: Flight, answer: Answer) -> bool:
        """Keeps a whole answer for equal questions and ends the flight; False if it could not.

        One that is partial or too large is left out, and so is one that was asked for before everything was forgotten.
        """
        ...

    async def forget(self, index: str | None) -> None:
        """No answer of `index`, or of any for None, that was kept so far or is under way is found later.

        Raises UnavailableError.
        """
        ...

    async def state(self) -> CacheState:
        """The look-ups of the last hour, of all processes, and the server's memory; never raises."""
        ...


class FlightBoard(Protocol):
    """What is being executed anywhere, for those who wait for it. Being away is no error."""

    async def renew(self, flight: Flight) -> None:
        """Says that its leader is still there; a leader of whom nothing is heard for some seconds counts as gone."""
        ...

    async def end(self, flight: Flight, ending: EngineError | NoAnswer) -> None:
        """Ends a flight that brought no kept answer, and tells those who wait what came of it."""
        ...

    async def look(self, flight: Flight) -> EngineError | NoAnswer | None:
        """What came of it; None while it is under way. A kept answer is GONE here: the cache has it."""
        ...


class UserStore(Protocol):
    """Users as rows. Every method runs in the caller's transaction."""

    async def next_revision(self, connection: AsyncConnection) -> int:
        """The next revision; whoever takes another waits until this transaction has ended."""
        ...

    async def insert(self, connection: AsyncConnection, user: User) -> None:
        """Adds a user. Raises AlreadyExistsError for a taken name or address, or a second active admin."""
        ...

    async def update(self, connection: AsyncConnection, user: User) -> None:
        """Writes the user as he now is. Raises AlreadyExistsError for a taken address."""
        ...

    async def find(self, connection: AsyncConnection, user_id: UUID, *, lock: bool = False) -> User | None:
        """The user with that id; with `lock`, held until the transaction ends."""
        ...

    async def find_by_username(self, connection: AsyncConnection, username: str) -> User | None:
        """The user of that name, which is folded as by `common.auth.names`."""
        ...

    async def page(
        self,
        connection: AsyncConnection,
        *,
        wanted: UserFilter,
        order: UserOrder,
        after: UserPlace | None,
        limit: int,
    ) -> Sequence[User]:
        """Up to `limit` users in that order, those behind the place `after`."""
        ...

    async def find_admin(self, connection: AsyncConnection) -> User | None:
        """The active admin."""
        ...

    async def hold_profile(self, connection: AsyncConnection, name: str) -> EffectiveLimits | None:
        """The limits of a profile type, which nobody can change or remove until the transaction ends."""
        ...


class PolicyStore(Protocol):
    """Rows of one kind of policy with all that they ever held. Every method runs in the caller's transaction."""

    async def hold(self, connection: AsyncConnection) -> None:
        """Lets nobody else change a row of this kind until the transaction has ended."""
        ...

    async def find(self, connection: AsyncConnection, key: str) -> PolicyRow | None:
        """The row, also one that was removed."""
        ...

    async def find_many(self, connection: AsyncConnection, keys: Collection[str]) -> Mapping[str, PolicyRow]:
        """Those of the rows that there are, by key, also those that were removed."""
        ...

    async def present_keys(self, connection: AsyncConnection) -> set[str]:
        """The keys of all rows that were not removed."""
        ...

    async def page(self, connection: AsyncConnection, *, after: str | None, limit: int) -> Sequence[PolicyRow]:
        """Up to `limit` rows that were not removed, in order of their keys, those after the key `after`."""
        ...

    async def write(
        self, connection: AsyncConnection, key: str, content: Mapping[str, Any], *, removed: bool, by: UUID | None
    ) -> PolicyRow:
        """Writes the row under the next revision, keeps the version, and tells every process once it is committed."""
        ...

    async def versions(
        self, connection: AsyncConnection, key: str, *, before: int | None, limit: int
    ) -> Sequence[PolicyVersion]:
        """Up to `limit` versions with revisions below `before`, the newest first."""
        ...

    async def version(self, connection: AsyncConnection, key: str, revision: int) -> PolicyVersion | None:
        """What the row held after that change."""
        ...


class ProfileTypeUse(Protocol):
    """Who has a profile type."""

    async def hold_and_count_users(self, connection: AsyncConnection, name: str) -> int:
        """How many users have it, also inactive ones; nobody new can be given it until the transaction has ended."""
        ...


class ClaimStore(Protocol):
    """Takes requests out of the queue, in transactions of its own."""

    async def claim(self, *, worker: str, lease: timedelta, wanted: int) -> Sequence[Claim]:
        """Claims up to `wanted` requests whose turn it is, each under a lease of its own.

        Of the highest priority that waits: a user with the fewest executions under way, of those the next in the
        circle, and of his the oldest.
        """
        ...


class RequestQueue(Protocol):
    """The incoming requests as a queue. Every method runs in the caller's transaction, on the database's own clock."""

    async def return_expired_leases(self, connection: AsyncConnection) -> int:
        """Puts requests whose executor has gone back into the queue and says how many."""
        ...

    async def return_due_retries(self, connection: AsyncConnection) -> int:
        """Puts requests whose pause is over back into the queue and says how many."""
        ...

    async def expire_waiting(self, connection: AsyncConnection, *, at: datetime, message: str, limit: int) -> int:
        """Ends up to `limit` waiting requests whose time was over at `at`, and says how many."""
        ...

    async def renew_lease(self, connection: AsyncConnection, claimed: ClaimedRequest, *, lease: timedelta) -> bool:
        """Extends the lease; False when it was lost or the request was cancelled."""
        ...

    async def give_back(self, connection: AsyncConnection, claimed: ClaimedRequest) -> None:
        """Returns an unfinished request to the queue as if it had not been claimed; nothing if the lease was lost."""
        ...

    async def retry_later(self, connection: AsyncConnection, claimed: ClaimedRequest, retry: RetryLater) -> bool:
        """Lets the request wait; False, and nothing written, if the lease was lost."""
        ...


class EndWriter(Protocol):
    """Keeps how requests ended, in transactions of its own: many ends may share one."""

    async def write(self, end: FinalEnd) -> bool:
        """Ends the request and keeps its result; False, and nothing written, if the lease was lost.

        Raises UnstorableAnswerError for an answer that is no JSON.
        """
        ...


class IncomingRequestReader(Protocol):
    """Incoming requests for operators. Every method runs in the caller's transaction."""

    async def find(self, connection: AsyncConnection, request_id: UUID) -> IncomingRequest | None:
        """The request by the id that it has on the Request Network."""
        ...

    async def list_newest_first(
        self,
        connection: AsyncConnection,
        *,
        statuses: Collection[Status],
        user_id: UUID | None,
        index: str | None,
        before: tuple[datetime, UUID] | None,
        limit: int,
    ) -> Sequence[IncomingRequest]:
        """Up to `limit` requests that arrived before `before` (time of arrival and id), the newest first."""
        ...


class DecidedRequests(Protocol):
    """Incoming requests about which an operator decides. Every method runs in the caller's transaction."""

    async def hold(self, connection: AsyncConnection, request_id: UUID) -> IncomingRequest | None:
        """The request, which nobody else can change until the transaction ends."""
        ...

    async def was_given_up(self, connection: AsyncConnection, request_id: UUID) -> bool:
        """Whether its user has cancelled it, however it ended here."""
        ...

    async def put_back(self, connection: AsyncConnection, request_id: UUID) -> bool:
        """Lets a failed request wait as if it had just arrived; False, and nothing written, if a bundle has its end."""
        ...

    async def fail(self, connection: AsyncConnection, request_id: UUID, message: str) -> None:
        """Ends a request that has not ended, and tells whoever executes it to let go."""
        ...
