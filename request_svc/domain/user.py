"""A user as the Response Network last sent him."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID


@dataclass(frozen=True, slots=True)
class ReplicatedUser:
    """A row of the replica. The password's hash is left where it is: only sign-in reads it."""

    user_id: UUID
    username: str
    email: str
    full_name: str
    role: str
    profile_type: str
    rate_limit_per_minute: int
    rate_limit_per_hour: int
    rate_limit_per_day: int
    priority: int
    is_active: bool
    inherits: tuple[str, ...]
    revision: int
    synced_at: datetime
