"""What a service tells the shared commands about itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from common.settings import NetworkSettings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from taskiq import AsyncBroker

    from common.audit.refusals import RefusalWriter
    from common.auth.context import AuthContext
    from common.database.transaction import Database
    from common.health.checks import Check
    from common.jobs.job import Job
    from common.ratelimit.user_limits import UserLimits
    from common.rpc.server import RpcService


class ServiceApp(Protocol):
    """A service put together by its composition root: everything open, nothing serving yet."""

    @property
    def database(self) -> Database:
        """The pool."""
        ...

    @property
    def auth(self) -> AuthContext:
        """Sign-in, started; the app closes it."""
        ...

    @property
    def limits(self) -> UserLimits:
        """How often a user may call; the app closes it."""
        ...

    @property
    def refusals(self) -> RefusalWriter:
        """Started; the app closes it."""
        ...

    @property
    def broker(self) -> AsyncBroker:
        """The task broker, not started; the app closes it."""
        ...

    @property
    def rpc_services(self) -> Sequence[RpcService]:
        """Everything that the service offers over gRPC."""
        ...

    def wind_down(self) -> None:
        """Begins nothing new: the process is told to stop, and what runs may finish for a while before `close`."""
        ...

    async def close(self) -> None:
        """Closes whatever was opened."""
        ...


Settings = TypeVar("Settings", bound=NetworkSettings)
App = TypeVar("App", bound=ServiceApp)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service(Generic[Settings, App]):
    """One of the two services. `migrations` is Alembic's script location, such as `request_svc:migrations`."""

    name: str
    settings: type[Settings]
    build_app: Callable[[Settings], Awaitable[App]]
    jobs: Callable[[Settings], Sequence[Job[App]]]
    migrations: str
    read_only_tables: frozenset[str] = frozenset()
    """What the services' own database role may only read; see `common.database.grants`."""
    checks: Callable[[Settings, Database], Sequence[Check]]
    """What the `check` screen looks at beyond database, Redis, folders, keys and schema."""
