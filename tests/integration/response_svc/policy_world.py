"""What tests of the policy share: its use cases over a real database, and a queue that remembers who was woken."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from airlock.common.v1.network_pb2 import BUNDLE_KIND_PROFILE_TYPES, BUNDLE_KIND_SETTINGS

from common.auth.permissions import permissions_of
from common.auth.principal import Principal
from common.policy.limits import BASIC
from common.rpc.caller import Caller
from response_svc.adapters.export_wake_ups import export_wake_ups
from response_svc.adapters.policy import PostgresProfileTypeUse, index_rows, profile_type_rows, setting_rows
from response_svc.usecases.change_policy import PolicyContext
from tests.integration.response_svc.world import rows

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from common.database.transaction import Database


@dataclass
class RememberingQueue:
    """The JobQueue port in memory."""

    woken: list[str] = field(default_factory=list)

    async def wake(self, name: str, times: int = 1) -> None:
        self.woken += [name] * times


async def no_answers(_index: str) -> None:
    """Nothing was kept."""


def policy_context(
    database: Database,
    queue: RememberingQueue | None = None,
    *,
    forget_answers: Callable[[str], Awaitable[None]] = no_answers,
) -> PolicyContext:
    wake_ups = export_wake_ups(queue or RememberingQueue())
    return PolicyContext(
        database=database,
        profile_types=profile_type_rows(),
        settings=setting_rows(),
        indices=index_rows(),
        use=PostgresProfileTypeUse(),
        wake_profile_types=wake_ups[BUNDLE_KIND_PROFILE_TYPES],
        wake_settings=wake_ups[BUNDLE_KIND_SETTINGS],
        forget_answers=forget_answers,
    )


def admin(user_id: UUID | None = None) -> Caller:
    principal = Principal(
        user_id=user_id or uuid4(),
        username="admin",
        role="admin",
        session_id=uuid4(),
        permissions=permissions_of("admin"),
        limits=BASIC,
        profile_type="admin",
    )
    return Caller(request_id=str(uuid4()), principal=principal, address="192.0.2.9", user_agent="tests")


async def written(database: Database) -> tuple[Any, ...]:
    """Everything that a change writes, to see that one wrote nothing."""
    return (
        await rows(database, "SELECT * FROM revision_counters WHERE revision > 0 ORDER BY kind"),
        await rows(database, "SELECT * FROM policy_versions ORDER BY subject, key, revision"),
        await rows(database, "SELECT count(*) FROM audit_logs"),
        await rows(database, "SELECT * FROM profile_types ORDER BY name"),
        await rows(database, "SELECT * FROM settings ORDER BY key"),
        await rows(database, "SELECT * FROM indices ORDER BY name"),
    )
