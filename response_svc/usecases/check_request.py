"""Whether a request may be executed here. A valid signature proves who sent it, not that it is allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from airlock.search.v1.search_pb2 import Search
from google.protobuf.message import DecodeError

from common.errors import AirlockError
from common.search.normal import normal_form
from common.search.permitted import check_permitted, permitted_index
from response_svc.domain.incoming_request import (
    EXPIRED_WHILE_WAITING,
    ClaimedRequest,
    Failure,
    FailureReason,
    bounded,
    is_expired,
)
from response_svc.domain.question import Question, result_scope

if TYPE_CHECKING:
    from datetime import datetime

    from common.policy.policy import Policy
    from response_svc.domain.user import User


NO_INDICES: Final = "no index is allowed yet; an administrator allows one with POST /api/v1/admin/indices"


def check_request(claimed: ClaimedRequest, user: User | None, policy: Policy, now: datetime) -> Question | Failure:
    """What may be asked with the user's rights, or why it may not, by this network's own tables alone."""
    if is_expired(claimed.not_after, now):
        return Failure(FailureReason.EXPIRED, EXPIRED_WHILE_WAITING)
    if user is None:
        return refused("The Response Network knows no such user; an administrator there makes users.")
    if not user.is_active:
        return refused(f"The user “{user.username}” is inactive; an administrator decides that.")
    try:
        profile = policy.profile_types.get(user.profile_type)
        index = permitted_index(claimed.index, policy, profile, without_any=NO_INDICES)
        search = Search.FromString(claimed.search)
        check_permitted(search, index, policy, profile)
        # What a newer Request Network may have sent and this release does not know would be lost on the engine.
        normal_form(search)
    except AirlockError as error:
        return refused(in_full(error))
    except DecodeError:
        return refused("The search cannot be read; it was damaged before it was sealed.")
    return Question(claimed.index, search, result_scope(profile))


def in_full(error: AirlockError) -> str:
    """What the error says of everything that is wrong; its message is about the first."""
    if len(error.violations) < 2:
        return error.message
    return "; ".join(f"{violation.field} {violation.description}" for violation in error.violations)


def refused(message: str) -> Failure:
    """A refusal for good."""
    return Failure(FailureReason.REFUSED, bounded(message))
