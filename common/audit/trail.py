"""What a network's jobs do about its audit trail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from common.audit.seal import forget_audit, seal_audit

if TYPE_CHECKING:
    from common.database.transaction import Database


@dataclass(frozen=True, slots=True)
class AuditTrail:
    """Put together by the composition root."""

    database: Database
    keep_days: int

    async def seal(self) -> dict[str, int]:
        """Seals what was written since the last time. See `seal_audit`."""
        return await seal_audit(self.database)

    async def forget(self) -> dict[str, int]:
        """Seals, then forgets segments that are older than `keep_days`. See `forget_audit`."""
        return {**await self.seal(), **await forget_audit(self.database, self.keep_days)}


class HasTrail(Protocol):
    """As much of a service's app as the jobs of its audit trail need."""

    @property
    def trail(self) -> AuditTrail:
        """The network's own."""
        ...
