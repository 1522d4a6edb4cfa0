"""The rules of users and of executions, without any I/O."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from airlock.search.v1.search_pb2 import Search

from common.errors import WrongStateError
from common.policy.index import AllowedIndex
from common.policy.limits import EffectiveLimits, RateLimits
from common.policy.policy import Policy
from common.policy.profile_type import ProfileType
from common.search.body import read_body
from response_svc.domain.incoming_request import (
    MAX_RETRIES,
    MAX_RETRY_DELAY,
    ClaimedRequest,
    Failure,
    FailureReason,
    RetryLater,
    after_passing_fault,
    bounded,
    is_expired,
)
from response_svc.domain.question import Question, result_scope
from response_svc.domain.user import NewUser, Role, User, UserChanges, changed, deactivated, without_sessions
from response_svc.usecases.check_request import check_request

NOW = datetime(2026, 3, 1, tzinfo=UTC)
FIRST = timedelta(seconds=5)


def user(role: Role = Role.USER, *, is_active: bool = True, profile_type: str = "basic") -> User:
    return User(
        id=uuid4(),
        username="sara",
        email="sara@example.org",
        hashed_password="$argon2id$",
        full_name="Sara",
        role=role,
        profile_type=profile_type,
        rate_limit_per_minute=10,
        rate_limit_per_hour=100,
        rate_limit_per_day=500,
        priority=5,
        is_active=is_active,
        revision=1,
        created_at=NOW,
        updated_at=NOW,
    )


def claimed(**fields: object) -> ClaimedRequest:
    search = Search(size=3)
    search.query.match["name"].query.string_value = "Tehran"
    defaults = {
        "row_id": uuid4(),
        "request_id": uuid4(),
        "lease": uuid4(),
        "user_id": uuid4(),
        "index": "cities",
        "search": search.SerializeToString(),
        "executions": 1,
        "accept_partial": False,
        "trace_id": "",
    }
    return ClaimedRequest(**{**defaults, **fields})  # type: ignore[arg-type]


def fault(executions: int, jitter: float = 0.5) -> RetryLater | Failure:
    return after_passing_fault(
        FailureReason.TIMEOUT, "No answer.", executions=executions, first_delay=FIRST, jitter=jitter
    )


def test_pauses_grow_exponentially() -> None:
    pauses = [fault(executions) for executions in range(1, MAX_RETRIES + 1)]
    assert [pause.delay.total_seconds() for pause in pauses if isinstance(pause, RetryLater)] == [5, 20, 80, 320, 1280]


def test_after_five_retries_a_passing_fault_is_final() -> None:
    end = fault(MAX_RETRIES + 1)
    assert isinstance(end, Failure)
    assert end.reason is FailureReason.TIMEOUT
    assert "6 times" in end.message


@pytest.mark.parametrize(("jitter", "factor"), [(0.0, 0.5), (0.5, 1.0), (0.999, 1.499)])
def test_jitter_spreads_a_pause_over_half_to_one_and_a_half(jitter: float, factor: float) -> None:
    pause = fault(1, jitter)
    assert isinstance(pause, RetryLater)
    assert pause.delay / FIRST == pytest.approx(factor)


def test_no_pause_is_longer_than_the_limit_before_jitter() -> None:
    pause = after_passing_fault(
        FailureReason.TIMEOUT, "", executions=MAX_RETRIES, first_delay=timedelta(hours=1), jitter=0.5
    )
    assert isinstance(pause, RetryLater)
    assert pause.delay == MAX_RETRY_DELAY


def test_a_request_without_a_limit_never_expires() -> None:
    assert not is_expired(None, NOW)
    assert not is_expired(NOW, NOW)
    assert is_expired(NOW, NOW + timedelta(microseconds=1))


def test_messages_are_cut_between_characters() -> None:
    message = bounded("é" * 4000 + "\0")
    assert len(message.encode()) <= 4096
    assert message == "é" * 2048


def test_the_admins_role_cannot_be_changed() -> None:
    with pytest.raises(WrongStateError):
        changed(user(Role.ADMIN), UserChanges(role=Role.USER))


def test_no_one_can_be_promoted_to_admin() -> None:
    with pytest.raises(WrongStateError):
        changed(user(Role.OPERATOR), UserChanges(role=Role.ADMIN))


def test_the_admin_cannot_be_deactivated() -> None:
    with pytest.raises(WrongStateError):
        deactivated(user(Role.ADMIN))


def test_changes_that_change_nothing_give_the_same_user() -> None:
    sara = user()
    assert changed(sara, UserChanges(email=sara.email, role=sara.role, priority=5)) is sara
    assert deactivated(user(is_active=False)).is_active is False


def test_a_change_leaves_the_rest() -> None:
    sara = user()
    after = changed(sara, UserChanges(priority=9, full_name=""))
    assert (after.priority, after.full_name, after.email, after.role) == (9, "", sara.email, sara.role)


def test_a_password_is_not_shown() -> None:
    assert "secret words" not in repr(NewUser(username="sara", email="s@example.org", password="secret words"))


POLICY = Policy(
    indices={"cities": AllowedIndex("cities", "", {"name": "text"})},
    profile_types={"strict": ProfileType("strict", EffectiveLimits(RateLimits(1, 1, 1), 1), indices=("flights",))},
)


def test_an_allowed_search_may_be_executed() -> None:
    question = check_request(claimed(), user(), POLICY, NOW)
    assert isinstance(question, Question)
    assert (question.index, question.scope) == ("cities", result_scope(None))


@pytest.mark.parametrize(
    ("request_", "asks", "reason"),
    [
        (claimed(), None, FailureReason.REFUSED),
        (claimed(), user(is_active=False), FailureReason.REFUSED),
        (claimed(index="salaries"), user(), FailureReason.REFUSED),
        (claimed(index="cit*"), user(), FailureReason.REFUSED),
        (claimed(), user(profile_type="strict"), FailureReason.REFUSED),
        (claimed(search=read_body(b'{"sort": "name"}').SerializeToString()), user(), FailureReason.REFUSED),
        (claimed(search=Search(size=1001).SerializeToString()), user(), FailureReason.REFUSED),
        (claimed(search=b"\xff\xff"), user(), FailureReason.REFUSED),
        (claimed(not_after=NOW - timedelta(seconds=1)), user(), FailureReason.EXPIRED),
    ],
    ids=[
        "unknown user",
        "inactive user",
        "index",
        "pattern of indices",
        "profile type",
        "field",
        "size",
        "garbage",
        "expired",
    ],
)
def test_what_our_own_rules_forbid_is_not_executed(
    request_: ClaimedRequest, asks: User | None, reason: FailureReason
) -> None:
    outcome = check_request(request_, asks, POLICY, NOW)
    assert isinstance(outcome, Failure)
    assert outcome.reason is reason
    assert outcome.message


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            b'{"query": {"match": {"nmae": "x"}}}',
            "query.match.nmae names the field nmae, which cities does not have; did you mean name?",
        ),
        (b'{"size": 2000}', "size is 2000, which is too many hits at once; the limit max_size is 1000"),
        (
            b'{"sort": ["nam", "nome"]}',
            (
                "sort[0] names the field nam, which cities does not have; did you mean name?; "
                "sort[1] names the field nome, which cities does not have; did you mean name?"
            ),
        ),
    ],
)
def test_each_thing_that_is_wrong_is_told_once(body: bytes, told: str) -> None:
    outcome = check_request(claimed(search=read_body(body).SerializeToString()), user(), POLICY, NOW)
    assert isinstance(outcome, Failure)
    assert outcome.message == told


def test_the_endings_of_a_users_sessions_have_numbers_that_a_restored_database_gives_no_second_time() -> None:
    before = user()
    forgotten = without_sessions(before, NOW)
    again = without_sessions(before, NOW + timedelta(minutes=1))
    assert before.session_version < forgotten.session_version < again.session_version
    twice = without_sessions(again, NOW + timedelta(minutes=1))
    assert twice.session_version == again.session_version + 1, "two within a second, or a clock that was set back"
    assert without_sessions(before, NOW.replace(year=2090)).session_version < 2**31
