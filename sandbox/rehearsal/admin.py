"""What the admin of the Response Network decides in a rehearsal: who may ask what, how often, and who is out."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from airlock.common.v1 import network_pb2

from common.errors import AirlockError
from response_svc.domain.profile_type import ProfileTypeChanges
from response_svc.domain.user import UserChanges
from response_svc.usecases.change_indices import allow_index, describe_index, disallow_index
from response_svc.usecases.change_profile_types import create_profile_type, delete_profile_type, update_profile_type
from response_svc.usecases.change_settings import reset_setting, set_setting
from response_svc.usecases.change_users import end_sessions, reactivate_user, update_user
from sandbox.rehearsal.people import CALLER
from sandbox.rehearsal.side import ALLOWED

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    from sandbox.rehearsal.people import People
    from sandbox.rehearsal.side import Side

POLICY_KINDS: Final = (network_pb2.BUNDLE_KIND_PROFILE_TYPES, network_pb2.BUNDLE_KIND_SETTINGS)
INDICES: Final = (ALLOWED, "personnel", "personnel", "personnel", "personnel")
PROFILE_TYPES: Final = ("basic", "office", "field")
KINDS: Final = (("*",), ("match", "range"), ("aggregation", "match"))
SETTINGS: Final = (
    ("query.max_size", (2, 100, 1000)),
    ("query.max_aggregations", (1, 8)),
    ("rate.warning_percent", (50, 90)),
)


class Admin:
    """Changes one thing at a time. `deeds` counts what was changed; what is refused was drawn in vain."""

    def __init__(self, response: Side, people: People) -> None:
        self._response = response
        self._people = people
        self.deeds: dict[str, int] = {}

    async def rule(self, choose: random.Random) -> None:
        """One decision. It is made as often as it was drawn, whether there is anything to change or not."""
        decide: Callable[[random.Random], Awaitable[str]] = choose.choice(
            (
                self._limits,
                self._limits,
                self._sessions,
                self._reactivation,
                self._profile_type,
                self._profile_type,
                self._profile_type_goes,
                self._setting,
                self._setting,
                self._index,
                self._index,
            )
        )
        try:
            deed = await decide(choose)
        except AirlockError:
            # There is no such row at the moment, there is one already, or somebody has it.
            return
        if deed:
            self.deeds[deed] = self.deeds.get(deed, 0) + 1

    async def open_again(self, choose: random.Random) -> None:
        """The index that everybody needs does not stay away for long."""
        if choose.random() < 0.7:
            with suppress(AirlockError):
                app = self._response.app
                await allow_index(app.policy, app.engine, ALLOWED, description="", caller=CALLER)

    async def _limits(self, choose: random.Random) -> str:
        user_id = await self._somebody(choose, "is_active")
        changes = choose.choice(
            (
                UserChanges(rate_limit_per_minute=choose.randint(1, 50), priority=choose.randint(1, 10)),
                UserChanges(profile_type=choose.choice(PROFILE_TYPES)),
                UserChanges(inherit=("priority", "rate_limit_per_minute")),
            )
        )
        if user_id is not None:
            await update_user(self._response.app.users, user_id, changes, caller=CALLER)
        return "changed a user"

    async def _sessions(self, choose: random.Random) -> str:
        user_id = await self._somebody(choose, "is_active")
        if user_id is not None:
            await end_sessions(self._response.app.users, user_id, caller=CALLER)
            self._people.note_ending(user_id, self._response.clock())
        return "ended a user's sessions"

    async def _reactivation(self, choose: random.Random) -> str:
        user_id = await self._somebody(choose, "NOT is_active")
        if user_id is None:
            return ""
        await reactivate_user(self._response.app.users, user_id, caller=CALLER)
        return "let a user in again"

    async def _profile_type(self, choose: random.Random) -> str:
        name = choose.choice(PROFILE_TYPES)
        changes = ProfileTypeChanges(
            rate_limit_per_minute=choose.randint(1, 60),
            priority=choose.randint(1, 10),
            soft=choose.random() < 0.5,
            query_kinds=choose.choice(KINDS),
            indices=choose.choice((("*",), ("cities",))),
        )
        context = self._response.app.policy
        try:
            await update_profile_type(context, name, changes, revision=None, caller=CALLER)
        except AirlockError:
            await create_profile_type(context, name, changes, caller=CALLER)
            return "made a profile type"
        return "changed a profile type"

    async def _profile_type_goes(self, choose: random.Random) -> str:
        name = choose.choice(PROFILE_TYPES[1:])
        await delete_profile_type(self._response.app.policy, name, revision=None, caller=CALLER)
        return "deleted a profile type"

    async def _setting(self, choose: random.Random) -> str:
        key, values = choose.choice(SETTINGS)
        value = choose.choice(values)
        context = self._response.app.policy
        if choose.random() < 0.3:
            await reset_setting(context, key, revision=None, caller=CALLER)
            return "reset a setting"
        await set_setting(context, key, value, revision=None, caller=CALLER)
        return "set a setting"

    async def _index(self, choose: random.Random) -> str:
        """One that goes is most often back before anybody asks, if it is the one that everybody needs."""
        name, text = choose.choice(INDICES), f"as of draw {choose.randint(1, 1000)}"
        what, stays_away = choose.random(), choose.random() < 0.3
        app = self._response.app
        if what < 0.3:
            await describe_index(app.policy, name, text, revision=None, caller=CALLER)
            return "described an index"
        try:
            await disallow_index(app.policy, name, revision=None, caller=CALLER)
        except AirlockError:
            await allow_index(app.policy, app.engine, name, description=text, caller=CALLER)
            return "allowed an index"
        if name == ALLOWED and not stays_away:
            await allow_index(app.policy, app.engine, name, description=text, caller=CALLER)
            return "disallowed an index and allowed it again"
        return "disallowed an index"

    async def _somebody(self, choose: random.Random, who: str) -> UUID | None:
        rows = await self._response.rows(f"SELECT id FROM users WHERE {who} ORDER BY username")  # noqa: S608 - constants
        which = choose.random()
        return rows[int(which * len(rows))].id if rows else None
