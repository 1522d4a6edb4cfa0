"""A user looks at his sessions and ends them; another's are none of his business."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from sqlalchemy import select

from common.audit.tables import audit_logs
from common.auth.own_sessions import end_own_session, end_own_sessions, list_sessions
from common.auth.refresh import refresh
from common.auth.sign_in import sign_in
from common.errors import NotFoundError, SessionEndedError
from tests.integration.common.accounts import CALLER, PASSWORD

if TYPE_CHECKING:
    from uuid import UUID

    from common.auth.accounts import Account
    from common.auth.context import AuthContext, TokenPair
    from common.auth.principal import Principal
    from tests.integration.common.accounts import Accounts


async def signed_in(auth: AuthContext, username: str = "sara", agent: str = "tests") -> TokenPair:
    return await sign_in(auth, username=username, password=PASSWORD, caller=replace(CALLER, user_agent=agent))


async def listed(auth: AuthContext, principal: Principal) -> list[UUID]:
    sessions, more = await list_sessions(auth, principal=principal, before=None, limit=50)
    assert not more
    return [session.session_id for session in sessions]


@pytest.fixture
def omid(accounts: Accounts, sara: Account) -> Account:
    return accounts.add(replace(sara, user_id=uuid4(), username="omid"))


async def test_a_session_is_shown_with_where_it_was_last_used(auth: AuthContext) -> None:
    pair = await signed_in(auth, agent="first program")
    later = replace(auth, clock=lambda: datetime.now(UTC) + timedelta(minutes=50))
    moved = replace(CALLER, address="198.51.100.4", user_agent="second program")
    await refresh(later, refresh_token=pair.refresh_token, caller=moved)
    (session,), _ = await list_sessions(auth, principal=auth.authenticate(pair.access_token), before=None, limit=50)
    assert (session.session_id, session.address, session.user_agent) == (
        pair.session_id,
        "198.51.100.4",
        "second program",
    )
    assert session.refreshed_at - session.signed_in_at > timedelta(minutes=49)
    assert session.expires_at - session.refreshed_at == auth.refresh_lifetime


async def test_sessions_are_paged_the_newest_first_and_are_ones_own(auth: AuthContext, omid: Account) -> None:
    pairs = [await signed_in(auth) for _ in range(3)]
    await signed_in(auth, "omid")
    principal = auth.authenticate(pairs[0].access_token)
    newest, more = await list_sessions(auth, principal=principal, before=None, limit=2)
    assert ([session.session_id for session in newest], more) == ([pairs[2].session_id, pairs[1].session_id], True)
    place = (newest[-1].signed_in_at, newest[-1].session_id)
    rest, more = await list_sessions(auth, principal=principal, before=place, limit=2)
    assert ([session.session_id for session in rest], more) == ([pairs[0].session_id], False)


async def test_one_session_is_ended_here_at_once_and_the_others_go_on(auth: AuthContext) -> None:
    lost, kept = await signed_in(auth), await signed_in(auth)
    principal = auth.authenticate(kept.access_token)
    await end_own_session(auth, lost.session_id, principal=principal, caller=CALLER)
    with pytest.raises(SessionEndedError):
        auth.authenticate(lost.access_token)
    with pytest.raises(SessionEndedError):
        await refresh(auth, refresh_token=lost.refresh_token, caller=CALLER)
    assert auth.authenticate(kept.access_token)
    assert await listed(auth, principal) == [kept.session_id]
    with pytest.raises(NotFoundError):
        await end_own_session(auth, lost.session_id, principal=principal, caller=CALLER)


async def test_another_users_session_is_not_found_and_goes_on(auth: AuthContext, omid: Account) -> None:
    sara = auth.authenticate((await signed_in(auth)).access_token)
    others = await signed_in(auth, "omid")
    with pytest.raises(NotFoundError):
        await end_own_session(auth, others.session_id, principal=sara, caller=CALLER)
    await end_own_sessions(auth, keep_current=False, principal=sara, caller=CALLER)
    await auth.revocations.refresh()
    assert auth.authenticate(others.access_token)


@pytest.mark.parametrize("keep_current", [True, False])
async def test_all_are_ended_with_or_without_the_current_one(auth: AuthContext, keep_current: bool) -> None:
    others, current = [await signed_in(auth) for _ in range(2)], await signed_in(auth)
    principal = auth.authenticate(current.access_token)
    ended = await end_own_sessions(auth, keep_current=keep_current, principal=principal, caller=CALLER)
    assert ended == (2 if keep_current else 3)
    await auth.revocations.refresh()
    for pair in others if keep_current else [*others, current]:
        with pytest.raises(SessionEndedError):
            auth.authenticate(pair.access_token)
        with pytest.raises(SessionEndedError):
            await refresh(auth, refresh_token=pair.refresh_token, caller=CALLER)
    assert await listed(auth, principal) == ([current.session_id] if keep_current else [])
    assert auth.authenticate((await signed_in(auth)).access_token)


async def test_each_ending_is_in_the_trail(auth: AuthContext) -> None:
    principal = auth.authenticate((await signed_in(auth)).access_token)
    other = await signed_in(auth)
    await end_own_session(auth, other.session_id, principal=principal, caller=CALLER)
    await end_own_sessions(auth, keep_current=True, principal=principal, caller=CALLER)
    async with auth.database.transaction() as transaction:
        actions = list(await transaction.connection.scalars(select(audit_logs.c.action).order_by(audit_logs.c.id)))
    assert actions[2:] == ["auth.own_session_ended", "auth.own_sessions_ended"]


async def test_a_session_that_ran_out_is_no_longer_open(auth: AuthContext) -> None:
    principal = auth.authenticate((await signed_in(auth)).access_token)
    later = replace(auth, clock=lambda: datetime.now(UTC) + timedelta(days=8))
    assert await listed(later, principal) == []
