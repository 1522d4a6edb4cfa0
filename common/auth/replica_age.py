"""How old this network's copies of the accounts are, and what that forbids: later changes are not known here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from airlock.common.v1 import permission_pb2
from sqlalchemy.ext.asyncio import AsyncConnection

from common.auth.permissions import ROLE_ADMIN, ROLE_OPERATOR
from common.errors import ReplicaTooOldError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airlock.common.v1.permission_pb2 import Permission

    from common.policy.live import LivePolicy
    from common.policy.policy import Policy

SealingTime = Callable[[AsyncConnection], Awaitable[datetime | None]]
"""Reads when the last applied bundle of users was sealed; None before the first."""
HEADER: Final = "x-airlock-replica-age"
WARN: Final = "replica_age.warn_hours"
NO_NEW_SESSIONS: Final = "replica_age.no_new_sessions_hours"
LOCK: Final = "replica_age.lock_hours"
RENEWALS: Final = 7
"""Users bundles within the shortest limit: the courier needs his time, and may leave out a walk or two."""
_CARRY: Final = (
    "Carry a users bundle from the Response Network (`transfer take` there, `transfer deliver` here); it is imported"
    " within a minute."
)
_MAY_IMPORT: Final = frozenset({ROLE_OPERATOR, ROLE_ADMIN})


def renewal_of_copies(policy: Policy) -> timedelta | None:
    """After which time the master sends a users bundle though nobody was changed; None without any limit.

    Else a copy would be taken for old just because there was nothing to say, and nobody could carry a newer one.
    """
    limits = [hours for limit in (WARN, NO_NEW_SESSIONS, LOCK) if (hours := policy.number(limit))]
    return timedelta(hours=min(limits)) / RENEWALS if limits else None


class ReplicaAge:
    """One process's knowledge of the age, by this network's clock.

    The bundle was sealed by the other network's clock. If that runs ahead, the age is 0 until it is overtaken; by as
    much as it runs behind, the age is told too high, so a limit should be far above the skew of the clocks.
    """

    def __init__(self, sealing_time: SealingTime, policy: LivePolicy, clock: Callable[[], datetime]) -> None:
        self._sealing_time = sealing_time
        self._policy = policy
        self._clock = clock
        self._sealed_at: datetime | None = None

    async def refresh(self, connection: AsyncConnection) -> None:
        """Looks whether a newer bundle was applied."""
        self._sealed_at = await self._sealing_time(connection)

    def age(self) -> timedelta | None:
        """The age; None before the first bundle, when there is nobody to let in or to shut out."""
        return max(self._clock() - self._sealed_at, timedelta(0)) if self._sealed_at is not None else None

    def warning(self) -> timedelta | None:
        """The age once it is to be warned of."""
        return self._beyond(WARN)

    def check_sign_in(self, role: str) -> None:
        """Raises ReplicaTooOldError while nobody may open a session, but for those who can import a newer bundle."""
        for limit in (NO_NEW_SESSIONS, LOCK):
            if role not in _MAY_IMPORT and (age := self._beyond(limit)):
                raise _too_old(age, limit, "nobody can sign in until a newer one is here")

    def admit(self, role: str, permission: Permission.ValueType) -> Sequence[tuple[str, str]]:
        """The warning for the caller's answers. Raises ReplicaTooOldError while users and programs are shut out.

        Whoever may carry bundles may still do so, also the program of a transfer station: that is what ends the lock.
        """
        exempt = role in _MAY_IMPORT or permission == permission_pb2.PERMISSION_TRANSFER
        if not exempt and (age := self._beyond(LOCK)):
            raise _too_old(age, LOCK, "users and programs are shut out until a newer one is here")
        warning = self.warning()
        return ((HEADER, str(int(warning.total_seconds()))),) if warning is not None else ()

    def _beyond(self, limit: str) -> timedelta | None:
        age, hours = self.age(), self._policy.current.number(limit)
        return age if age is not None and hours and age >= timedelta(hours=hours) else None


def _too_old(age: timedelta, limit: str, consequence: str) -> ReplicaTooOldError:
    hours = int(age.total_seconds()) // 3600
    return ReplicaTooOldError(
        f"This network's copy of the users is {hours} hours old, and {consequence}. {_CARRY}",
        metadata={"age_hours": str(hours), "limit": limit},
    )
