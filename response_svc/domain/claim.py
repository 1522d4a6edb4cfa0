"""A request that was claimed, with whoever asks it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from response_svc.domain.incoming_request import ClaimedRequest
    from response_svc.domain.user import User


@dataclass(frozen=True, slots=True)
class Claim:
    """A request under a fresh lease, and its user; None for one whom nobody knows here."""

    request: ClaimedRequest
    user: User | None
