"""Those who ask in a rehearsal, and the ledger of what they asked, which no restored database can forget."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from common.auth.principal import Principal
from common.auth.sign_in import sign_in
from common.errors import AirlockError, IndexNotAllowedError, QueryLimitError
from common.policy.limits import BASIC
from common.rpc.caller import Caller
from request_svc.adapters.request_store import SqlRequestStore
from request_svc.domain.question import Question
from request_svc.usecases.cancel_request import cancel_request
from request_svc.usecases.create_api_key import WantedKey, create_api_key
from request_svc.usecases.read_question import Asking
from request_svc.usecases.submit_request import submit_request
from response_svc.domain.user import NewUser
from response_svc.usecases.change_users import create_user, deactivate_user
from sandbox.rehearsal.rules import policy_is_heard

if TYPE_CHECKING:
    import random
    from datetime import datetime

    from sandbox.rehearsal.side import Side

CALLER: Final = Caller(request_id="00000000-0000-4000-8000-000000000000")
PASSWORD: Final = "a password for rehearsals"  # noqa: S105 - nobody signs in with it.
NAMES: Final = ("تهران", "شیراز", "Isfahan", "Mashhad", "Tabriz", "Yazd", "Rasht", "Qom")


@dataclass(frozen=True, slots=True)
class Asked:
    """One accepted request, as its user knows it."""

    request_id: UUID
    user_id: UUID
    index: str
    body: bytes
    asked_at: datetime
    not_after: datetime | None
    accept_partial: bool = False


@dataclass(slots=True)
class People:
    """The users of the Response Network and what they were told was accepted."""

    asked: dict[UUID, Asked] = field(default_factory=dict)
    cancelled: dict[UUID, datetime] = field(default_factory=dict)
    made: int = 0
    # When all sessions of a user were ended on the Response Network.
    endings: list[tuple[UUID, datetime]] = field(default_factory=list)
    # The API keys that were shown, and whose they are.
    keys: list[tuple[UUID, str]] = field(default_factory=list)
    # Questions that were not accepted, by the reason.
    turned_away: dict[str, int] = field(default_factory=dict)

    async def hire(self, response: Side) -> None:
        """One more user."""
        self.made += 1
        name = f"user-{self.made}"
        new = NewUser(name, f"{name}@example.org", PASSWORD, priority=1 + self.made % 10)
        try:
            await create_user(response.app.users, new, caller=CALLER)
        except AirlockError:
            # The database was set back: the name is free there and taken here, or the other way round.
            return

    async def dismiss(self, response: Side, choose: random.Random) -> None:
        """Shuts a user out, but leaves at least two."""
        rows = await response.rows("SELECT id FROM users WHERE is_active ORDER BY username")
        if len(rows) > 2:
            user_id = choose.choice(rows).id
            await deactivate_user(response.app.users, user_id, caller=CALLER)
            self.note_ending(user_id, response.clock())

    def note_ending(self, user_id: UUID, at: datetime) -> None:
        """Whatever the user began up to `at` is to end on both networks."""
        self.endings.append((user_id, at))

    async def come_in(self, request: Side, choose: random.Random) -> None:
        """Somebody signs in on the Request Network, or makes a key there for one of his programs."""
        users = await request.rows(
            "SELECT id, username, role, priority, profile_type FROM users WHERE is_active ORDER BY username"
        )
        wants_key, which = choose.random() < 0.4, choose.random()
        if not users:
            return
        user, app = users[int(which * len(users))], request.app
        try:
            if wants_key:
                wanted = WantedKey(name="program", scopes=("read_request",), lifetime_days=365)
                _, text = await create_api_key(wanted, caller=principal_of(user), origin=CALLER, context=app.api_keys)
                self.keys.append((user.id, text))
            else:
                await sign_in(app.auth, username=user.username, password=PASSWORD, caller=CALLER)
        except AirlockError as refusal:
            self._turn_away(refusal)

    def _turn_away(self, refusal: AirlockError) -> None:
        name = type(refusal).__name__
        self.turned_away[name] = self.turned_away.get(name, 0) + 1

    async def ask(self, request: Side, choose: random.Random, number: int) -> None:
        """`number` questions by users whom the Request Network knows to be active."""
        users = await request.rows(
            "SELECT id, username, role, priority, profile_type FROM users WHERE is_active ORDER BY username"
        )
        store = SqlRequestStore()
        await policy_is_heard(request)
        for _ in range(number if users else 0):
            user = choose.choice(users)
            now = request.clock()
            index = "personnel" if choose.random() < 0.1 else "cities"
            not_after = now + timedelta(hours=choose.choice((2, 30, 300))) if choose.random() < 0.15 else None
            question = Question(index=index, body=drawn_body(choose), not_after=not_after)
            request_id = UUID(int=choose.getrandbits(128), version=4)
            try:
                await submit_request(
                    question,
                    Asking(principal_of(user), BASIC.priority, request.app.auth.policy.current, now),
                    request_id=request_id,
                    origin=CALLER,
                    writer=request.app.writer,
                    database=request.app.database,
                    requests=store,
                )
            except (IndexNotAllowedError, QueryLimitError) as refusal:
                # What may be asked is known here too, as of the last bundle that came.
                self._turn_away(refusal)
                continue
            assert question.body is not None
            self.asked[request_id] = Asked(request_id, user.id, index, question.body, now, not_after)

    async def cancel(self, request: Side, choose: random.Random) -> None:
        """Somebody gives one of his open requests up."""
        rows = await request.rows(
            "SELECT r.id AS request_id, u.id, u.username, u.role, u.profile_type FROM requests r "
            "JOIN users u ON u.id = r.user_id WHERE r.status NOT IN ('completed', 'failed', 'cancelled') ORDER BY r.id"
        )
        if rows:
            row = choose.choice(rows)
            now = request.clock()
            await cancel_request(
                row.request_id,
                caller=principal_of(row),
                origin=CALLER,
                now=now,
                database=request.app.database,
                requests=SqlRequestStore(),
            )
            self.cancelled[row.request_id] = now


def drawn_body(choose: random.Random) -> bytes:
    """One of the questions that this data has answers to."""
    name = choose.choice(NAMES)
    kinds: tuple[dict[str, Any], ...] = (
        {"query": {"match": {"alternate_names": name}}, "size": choose.randint(1, 5)},
        {"query": {"range": {"population": {"gte": choose.randint(0, 10**6)}}}, "size": 3, "sort": ["name.keyword"]},
        {"size": 0, "aggs": {"countries": {"terms": {"field": "timezone", "size": choose.randint(1, 4)}}}},
        # As long an answer as this data gives.
        {"query": {"match_all": {}}, "size": choose.choice((1, 300)), "sort": ["name.keyword"]},
    )
    return json.dumps(choose.choice(kinds), ensure_ascii=False).encode()


def principal_of(row: Any) -> Principal:  # noqa: ANN401 - a row with a user's columns.
    """The user as whoever has signed in."""
    return Principal(
        user_id=row.id,
        username=row.username,
        role=row.role,
        session_id=UUID(int=0),
        permissions=frozenset(),
        limits=BASIC,
        profile_type=row.profile_type,
    )
