"""What the three services of the policy have in common: who changed something, and the pages of versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airlock.response.v1.policy_change_pb2 import PolicyChange

from common.handlers.times import timestamp
from common.paging import next_token, position_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.message import Message

    from response_svc.domain.policy_row import Change, PolicyRow, PolicyVersion


def change_message(change: Change) -> PolicyChange:
    """Who made something so, and when."""
    return PolicyChange(
        revision=change.revision,
        changed_by=str(change.changed_by or ""),
        changed_by_username=change.changed_by_username,
        changed_at=timestamp(change.changed_at),
    )


def after_key(request: Any) -> str | None:  # noqa: ANN401 - any list request.
    """The key after which the page begins."""
    position = position_of(request, str)
    return position[0] if position is not None else None


def before_revision(request: Any) -> int | None:  # noqa: ANN401 - any list request.
    """The revision below which the page begins."""
    position = position_of(request, int)
    return position[0] if position is not None else None


def key_token(request: Message, rows: Sequence[PolicyRow], *, more: bool) -> str:
    """Where the next page of rows begins."""
    return next_token(request, rows[-1].key) if more else ""


def version_token(request: Message, versions: Sequence[PolicyVersion], *, more: bool) -> str:
    """Where the next page of versions begins."""
    return next_token(request, versions[-1].change.revision) if more else ""


def expected_revision(request: Any) -> int | None:  # noqa: ANN401 - any request with an optional `revision`.
    """The revision on which a change is based, if the caller says."""
    return request.revision if request.HasField("revision") else None
