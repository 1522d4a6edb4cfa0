"""What the tests of API keys share: keys' use cases, memories of several processes, a clock that is moved."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import event

from common.audit.tables import audit_logs
from common.auth.api_keys import CallerKey
from common.auth.scopes import permissions_within
from common.policy.live import LivePolicy
from common.policy.policy import Policy
from common.rpc.caller import Caller
from request_svc.adapters.api_key_store import SqlApiKeyStore
from request_svc.adapters.known_api_keys import RememberedApiKeys
from request_svc.adapters.user_store import ReplicaAccounts
from request_svc.usecases.api_key_rights import ApiKeyContext
from request_svc.usecases.create_api_key import WantedKey, create_api_key
from request_svc.usecases.read_api_keys import get_api_key, list_api_keys
from request_svc.usecases.revoke_api_key import revoke_api_key
from request_svc.usecases.rotate_api_key import Rotation, WantedRotation, rotate_api_key
from tests.integration.request_svc.request_world import principal, user_id, user_message, users_bundle

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from common.auth.principal import Principal
    from request_svc.domain.api_key import ApiKey
    from tests.integration.request_svc.request_world import World

ORIGIN = Caller(request_id="6f1c0e3e-9d4f-4a39-8d3a-0d3a7c1b2a10", address="192.0.2.7", user_agent="tests")
ROLES = {"sara": "user", "omid": "user", "mina": "operator", "kian": "operator", "root": "admin", "etl": "system"}


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass
class Keys:
    """The use cases, as one process runs them."""

    world: World
    clock: Clock = field(default_factory=Clock)
    known: RememberedApiKeys = field(init=False)
    context: ApiKeyContext = field(init=False)

    def __post_init__(self) -> None:
        self.known = self.another_process()
        self.context = ApiKeyContext(
            database=self.world.database,
            directory=ReplicaAccounts(),
            keys=SqlApiKeyStore(),
            known=self.known,
            policy=LivePolicy(self.world.database),
            clock=self.clock,
        )

    def another_process(self, **options: Any) -> RememberedApiKeys:
        """The memory of another process."""
        return RememberedApiKeys(self.world.database, clock=self.clock, **options)

    def set(self, **settings: int) -> None:
        """Sets `api_keys.…`."""
        self.context.policy.current = Policy({f"api_keys.{name}": value for name, value in settings.items()})

    async def import_people(self, **changes: dict[str, Any]) -> None:
        """Everybody as the other network sends them, with these changes."""
        people = [user_message(name, role=role, **changes.get(name, {})) for name, role in ROLES.items()]
        await self.world.import_users(users_bundle(people, snapshot=True))

    async def create(
        self, who: str = "sara", *, scopes: Sequence[str] = ("submit_request", "read_request"), **options: Any
    ) -> tuple[ApiKey, str]:
        caller = options.pop("caller", None) or person(who)
        wanted = WantedKey(**{"name": "nightly", "scopes": scopes, **options})
        return await create_api_key(wanted, caller=caller, origin=ORIGIN, context=self.context)

    async def rotate(self, key: ApiKey, *, caller: Principal | None = None, **options: Any) -> Rotation:
        wanted = WantedRotation(key_id=key.key_id, **options)
        return await rotate_api_key(wanted, caller=caller or person("sara"), origin=ORIGIN, context=self.context)

    async def revoke(
        self, key: ApiKey, *, caller: Principal | None = None, with_successors: bool = False
    ) -> tuple[ApiKey, int]:
        return await revoke_api_key(
            key.key_id,
            with_successors=with_successors,
            caller=caller or person("sara"),
            origin=ORIGIN,
            context=self.context,
        )

    async def get(self, key: ApiKey, *, caller: Principal | None = None) -> ApiKey:
        return await get_api_key(key.key_id, caller=caller or person("sara"), context=self.context)

    async def list(self, name: str | None = None, *, caller: Principal | None = None, **options: Any) -> list[ApiKey]:
        values: dict[str, Any] = {"include_ended": False, "before": None, "limit": 100, **options}
        caller = caller or person("sara")
        keys, _ = await list_api_keys(
            None if name is None else user_id(name), caller=caller, context=self.context, **values
        )
        return keys

    async def trail(self) -> list[Any]:
        rows = await self.world.rows(audit_logs, where=audit_logs.c.action.startswith("api_key."))
        return sorted(rows, key=lambda row: row.id)

    @contextmanager
    def statements(self) -> Iterator[list[str]]:
        """The statements that go to the database meanwhile."""
        seen: list[str] = []

        def see(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            seen.append(statement)

        engine = self.world.database.engine.sync_engine
        event.listen(engine, "before_cursor_execute", see)
        yield seen
        event.remove(engine, "before_cursor_execute", see)


def person(name: str) -> Principal:
    """Somebody who signed in with his password."""
    return principal(name, ROLES[name])


def program(name: str, key: ApiKey) -> Principal:
    """Somebody's program, which came with a key."""
    signed_in = person(name)
    return type(signed_in)(
        user_id=signed_in.user_id,
        username=name,
        role=signed_in.role,
        session_id=key.key_id,
        permissions=permissions_within(key.scopes, signed_in.role),
        limits=signed_in.limits,
        profile_type=signed_in.profile_type,
        key=CallerKey(key.key_id, key.name, key.ends_at),
    )
