"""A row of the policy as the master keeps it, and one of its earlier contents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from common.errors import WrongStateError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID


@dataclass(frozen=True, slots=True)
class Change:
    """Who changed a row, and when. Nobody: it came with the installation, or a job changed it."""

    revision: int
    changed_at: datetime
    changed_by: UUID | None = None
    changed_by_username: str = ""


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """One profile type, setting or index. A removed one stays, so that the other network hears of it."""

    key: str
    content: Mapping[str, Any]
    is_deleted: bool
    last_change: Change


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """What a row held after one change; no content where the change removed it."""

    change: Change
    content: Mapping[str, Any] | None


def check_revision(row: PolicyRow | None, expected: int | None) -> None:
    """Raises WrongStateError if a change is based on another revision than the present one; 0 is that of no row."""
    present = row.last_change.revision if row is not None else 0
    if expected is not None and expected != present:
        raise WrongStateError(
            f"It was changed meanwhile: its revision is {present} and not {expected}. Read it again, then change it.",
            metadata={"state": str(present)},
        )
