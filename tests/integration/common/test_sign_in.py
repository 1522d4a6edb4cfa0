"""Signing in, refreshing and signing out against a real database; each is audited, and each refusal says one thing."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from sqlalchemy import select

from common.audit.tables import audit_logs
from common.auth.passwords import PasswordHasher
from common.auth.refresh import refresh
from common.auth.replica_age import ReplicaAge
from common.auth.revocations import Revocations
from common.auth.sessions import end_sessions_of_users, end_user_sessions, forget_sessions, note_changed_claims
from common.auth.sign_in import sign_in
from common.auth.sign_out import sign_out
from common.auth.tables import refresh_tokens, session_endings
from common.database.notices import Notices
from common.database.transaction import Database
from common.errors import (
    CredentialsWrongError,
    ReplicaTooOldError,
    SessionEndedError,
    TokenExpiredError,
    TokenInvalidError,
)
from tests.integration.common.accounts import CALLER, PASSWORD

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.auth.accounts import Account
    from common.auth.context import AuthContext, TokenPair
    from tests.integration.common.accounts import Accounts


async def signed_in(auth: AuthContext, password: str = PASSWORD) -> TokenPair:
    return await sign_in(auth, username="Sara", password=password, caller=CALLER)


async def trail(auth: AuthContext) -> list[Any]:
    async with auth.database.transaction() as transaction:
        return list((await transaction.connection.execute(select(audit_logs).order_by(audit_logs.c.id))).all())


async def test_a_sign_in_gives_tokens_and_leaves_a_trace(auth: AuthContext, accounts: Accounts, sara: Account) -> None:
    pair = await signed_in(auth)
    principal = auth.authenticate(pair.access_token)
    assert (principal.user_id, principal.session_id) == (sara.user_id, pair.session_id)
    assert [user for user, _ in accounts.logins] == [sara.user_id]
    (row,) = await trail(auth)
    assert (row.action, row.user_id, row.resource_id) == ("auth.signed_in", sara.user_id, str(pair.session_id))
    assert str(row.ip_address) == "192.0.2.7"


async def test_no_token_is_kept_in_the_database(auth: AuthContext, database: Database) -> None:
    pair = await signed_in(auth)
    async with database.transaction() as transaction:
        row = (await transaction.connection.execute(select(refresh_tokens))).one()
    assert pair.refresh_token.encode() not in bytes(row.token_hash)
    assert len(row.token_hash) == 32


@pytest.mark.parametrize(("username", "password"), [("sara", "wrong"), ("nobody", PASSWORD), ("sara' OR '1'='1", "x")])
async def test_a_wrong_name_and_a_wrong_password_are_refused_alike(
    auth: AuthContext, username: str, password: str
) -> None:
    with pytest.raises(CredentialsWrongError) as caught:
        await sign_in(auth, username=username, password=password, caller=CALLER)
    with pytest.raises(CredentialsWrongError) as other:
        await sign_in(auth, username="somebody", password="else", caller=CALLER)
    assert caught.value.message == other.value.message
    first, second = await trail(auth)
    assert first.action == second.action == "auth.sign_in_refused"
    assert first.metadata["username"] == username


async def test_an_inactive_user_is_refused_with_the_right_password(
    auth: AuthContext, accounts: Accounts, sara: Account
) -> None:
    accounts.change(sara.user_id, is_active=False)
    with pytest.raises(CredentialsWrongError):
        await signed_in(auth)


async def test_a_refresh_gives_the_next_pair_of_the_same_session(auth: AuthContext) -> None:
    first = await signed_in(auth)
    second = await refresh(auth, refresh_token=first.refresh_token, caller=CALLER)
    third = await refresh(auth, refresh_token=second.refresh_token, caller=CALLER)
    assert first.session_id == second.session_id == third.session_id
    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3
    assert auth.authenticate(third.access_token).session_id == first.session_id


async def test_a_stolen_refresh_token_ends_the_session_for_thief_and_owner(auth: AuthContext) -> None:
    stolen = await signed_in(auth)
    owners = await refresh(auth, refresh_token=stolen.refresh_token, caller=CALLER)
    with pytest.raises(SessionEndedError):
        await refresh(auth, refresh_token=stolen.refresh_token, caller=CALLER)
    with pytest.raises(SessionEndedError):
        await refresh(auth, refresh_token=owners.refresh_token, caller=CALLER)
    await auth.revocations.refresh()
    with pytest.raises(SessionEndedError):
        auth.authenticate(owners.access_token)
    assert "auth.session_ended" in [row.action for row in await trail(auth)]


async def test_of_two_who_refresh_at_once_only_one_is_served(auth: AuthContext) -> None:
    pair = await signed_in(auth)
    outcomes = await asyncio.gather(
        *(refresh(auth, refresh_token=pair.refresh_token, caller=CALLER) for _ in range(2)), return_exceptions=True
    )
    assert sum(isinstance(outcome, SessionEndedError) for outcome in outcomes) == 1


async def test_an_unknown_refresh_token_is_refused(auth: AuthContext) -> None:
    with pytest.raises(TokenInvalidError):
        await refresh(auth, refresh_token="never given out", caller=CALLER)


async def test_an_old_refresh_token_is_refused(auth: AuthContext) -> None:
    pair = await signed_in(auth)
    later = replace(auth, clock=lambda: datetime.now(UTC) + timedelta(days=8))
    with pytest.raises(TokenExpiredError):
        await refresh(later, refresh_token=pair.refresh_token, caller=CALLER)


async def test_a_deactivated_user_cannot_refresh(auth: AuthContext, accounts: Accounts, sara: Account) -> None:
    pair = await signed_in(auth)
    accounts.change(sara.user_id, is_active=False)
    with pytest.raises(SessionEndedError):
        await refresh(auth, refresh_token=pair.refresh_token, caller=CALLER)


async def test_a_sign_out_ends_the_session_here_at_once_and_twice_is_harmless(auth: AuthContext) -> None:
    pair = await signed_in(auth)
    other = await signed_in(auth)
    principal = auth.authenticate(pair.access_token)
    await sign_out(auth, principal=principal, caller=CALLER)
    await sign_out(auth, principal=principal, caller=CALLER)
    with pytest.raises(SessionEndedError):
        auth.authenticate(pair.access_token)
    with pytest.raises(SessionEndedError):
        await refresh(auth, refresh_token=pair.refresh_token, caller=CALLER)
    assert auth.authenticate(other.access_token)


async def end_all(auth: AuthContext, sara: Account) -> None:
    async with auth.database.transaction() as transaction:
        await end_user_sessions(transaction.connection, sara.user_id, at=datetime.now(UTC), reason="test")


async def test_a_new_sign_in_after_the_ending_of_all_sessions_is_good(auth: AuthContext, sara: Account) -> None:
    old = await signed_in(auth)
    await end_all(auth, sara)
    new = await signed_in(auth)
    await auth.revocations.refresh()
    with pytest.raises(SessionEndedError):
        auth.authenticate(old.access_token)
    with pytest.raises(SessionEndedError):
        await refresh(auth, refresh_token=old.refresh_token, caller=CALLER)
    assert auth.authenticate(new.access_token)
    assert await refresh(auth, refresh_token=new.refresh_token, caller=CALLER)


@pytest.mark.parametrize("listens", [True, False])
async def test_an_ending_is_seen_by_another_process_within_seconds(
    auth: AuthContext, sara: Account, database_url: str, listens: bool
) -> None:
    notices = Notices(database_url if listens else None)
    there = Revocations(
        auth.database,
        token_lifetime=timedelta(hours=1),
        # The listening one would not poll within the test's patience.
        poll_seconds=60.0 if listens else 0.2,
        notices=notices,
    )
    token = auth.tokens.verify((await signed_in(auth)).access_token)
    await there.start()
    notices.start()
    try:
        there.check(token)
        async with asyncio.timeout(30):
            while True:
                await end_all(auth, sara)
                try:
                    await asyncio.sleep(0.05)
                    there.check(token)
                except SessionEndedError:
                    break
    finally:
        await notices.close()
        await there.close()


async def test_a_process_that_starts_later_knows_what_was_ended(auth: AuthContext, sara: Account) -> None:
    token = auth.tokens.verify((await signed_in(auth)).access_token)
    await end_all(auth, sara)
    later = Revocations(auth.database, token_lifetime=timedelta(hours=1))
    await later.refresh()
    with pytest.raises(SessionEndedError):
        later.check(token)


async def test_an_ending_that_is_committed_late_is_seen(auth: AuthContext, sara: Account) -> None:
    token = auth.tokens.verify((await signed_in(auth)).access_token)
    await auth.revocations.refresh()
    async with auth.database.transaction() as late:
        await end_user_sessions(late.connection, sara.user_id, at=datetime.now(UTC), reason="test")
        # Meanwhile others end theirs, and this process looks.
        for _ in range(3):
            async with auth.database.transaction() as transaction:
                await end_user_sessions(transaction.connection, uuid4(), at=datetime.now(UTC), reason="test")
            await auth.revocations.refresh()
        auth.revocations.check(token)
    await auth.revocations.refresh()
    with pytest.raises(SessionEndedError):
        auth.revocations.check(token)


async def test_a_lost_database_does_not_stop_the_polling(auth: AuthContext, sara: Account) -> None:
    await auth.revocations.start()
    token = auth.tokens.verify((await signed_in(auth)).access_token)
    await auth.database.engine.dispose()
    await end_all(auth, sara)
    async with asyncio.timeout(30):
        while True:
            try:
                auth.revocations.check(token)
            except SessionEndedError:
                break
            await asyncio.sleep(0.05)


async def test_only_what_can_name_no_living_token_is_forgotten(auth: AuthContext, sara: Account) -> None:
    await signed_in(auth)
    await end_all(auth, sara)
    async with auth.database.transaction() as transaction:
        connection, hour = transaction.connection, timedelta(hours=1)
        assert await forget_sessions(connection, at=datetime.now(UTC) + timedelta(days=6), token_lifetime=hour) == 0
        # The token, the session and its ending.
        assert await forget_sessions(connection, at=datetime.now(UTC) + timedelta(days=8), token_lifetime=hour) == 3
        assert (await transaction.connection.execute(select(session_endings))).first() is None


async def note_change(auth: AuthContext, *user_ids: UUID) -> None:
    async with auth.database.transaction() as transaction:
        await note_changed_claims(transaction.connection, user_ids, at=datetime.now(UTC))


async def test_after_a_change_of_the_account_old_tokens_are_refreshed_and_the_session_goes_on(
    auth: AuthContext, accounts: Accounts, sara: Account
) -> None:
    pair = await signed_in(auth)
    accounts.change(sara.user_id, profile_type="premium")
    await note_change(auth, sara.user_id)
    await auth.revocations.refresh()
    with pytest.raises(TokenExpiredError, match="refresh"):
        auth.authenticate(pair.access_token)
    # Within the same second, too.
    fresh = await refresh(auth, refresh_token=pair.refresh_token, caller=CALLER)
    assert auth.authenticate(fresh.access_token).profile_type == "premium"
    assert fresh.session_id == pair.session_id


async def test_changes_and_endings_of_very_many_users_are_one_statement_each(auth: AuthContext, sara: Account) -> None:
    token = auth.tokens.verify((await signed_in(auth)).access_token)
    many = [uuid4() for _ in range(50_000)]
    await note_change(auth, *many, sara.user_id)
    await auth.revocations.refresh()
    with pytest.raises(TokenExpiredError):
        auth.revocations.check(token)
    async with auth.database.transaction() as transaction:
        await end_sessions_of_users(transaction.connection, [*many, sara.user_id], at=datetime.now(UTC), reason="test")
        await end_sessions_of_users(transaction.connection, [], at=datetime.now(UTC), reason="test")
    await auth.revocations.refresh()
    with pytest.raises(SessionEndedError):
        auth.revocations.check(token)


async def test_a_hash_of_other_costs_is_replaced_at_the_next_sign_in_and_ends_nothing(
    auth: AuthContext, accounts: Accounts, sara: Account
) -> None:
    accounts.keeps_passwords = True
    before = await signed_in(auth)
    dearer = replace(auth, hasher=PasswordHasher(time_cost=2, memory_kib=16, parallelism=1, threads=2))
    # Two at once: the second finds another hash than it checked, and looks again.
    pairs = await asyncio.gather(signed_in(dearer), signed_in(dearer))
    dearer.hasher.close()
    assert not dearer.hasher.needs_rehash(accounts.by_id[sara.user_id].password_hash)
    await auth.revocations.refresh()
    assert all(auth.authenticate(pair.access_token) for pair in (before, *pairs))


async def test_a_copy_of_a_hash_is_never_replaced(auth: AuthContext, accounts: Accounts, sara: Account) -> None:
    dearer = replace(auth, hasher=PasswordHasher(time_cost=2, memory_kib=16, parallelism=1, threads=2))
    await signed_in(dearer)
    dearer.hasher.close()
    assert accounts.by_id[sara.user_id].password_hash == sara.password_hash


async def test_two_processes_that_refresh_with_one_token_lose_the_session(auth: AuthContext, database_url: str) -> None:
    elsewhere = Database(database_url)
    pair = await signed_in(auth)
    outcomes = await asyncio.gather(
        *(
            refresh(context, refresh_token=pair.refresh_token, caller=CALLER)
            for context in (auth, replace(auth, database=elsewhere))
        ),
        return_exceptions=True,
    )
    await elsewhere.close()
    (winner,) = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    (loser,) = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert isinstance(loser, SessionEndedError)
    with pytest.raises(SessionEndedError):
        await refresh(auth, refresh_token=winner.refresh_token, caller=CALLER)


async def test_an_old_copy_of_the_users_lets_nobody_new_in_and_says_so_only_to_who_knows_his_password(
    auth: AuthContext, sara: Account
) -> None:
    async def a_month_ago(_connection: AsyncConnection) -> datetime:
        return datetime.now(UTC) - timedelta(days=31)

    open_before = await signed_in(auth)
    age = ReplicaAge(a_month_ago, auth.policy, auth.clock)
    old = replace(auth, replica_age=age, revocations=Revocations(auth.database, token_lifetime=timedelta(hours=1)))
    async with auth.database.transaction() as transaction:
        await age.refresh(transaction.connection)
    with pytest.raises(ReplicaTooOldError):
        await signed_in(old)
    with pytest.raises(CredentialsWrongError):
        await signed_in(old, "wrong")
    assert await refresh(old, refresh_token=open_before.refresh_token, caller=CALLER)
    assert [(row.action, row.metadata.get("cause")) for row in await trail(auth)][1:3] == [
        ("auth.sign_in_refused", "replica_too_old"),
        ("auth.sign_in_refused", None),
    ]


HOSTILE = [
    "sara' OR '1'='1",
    "'; DROP TABLE users; --",
    "sara\r\nlevel=error forged line",
    '{"username": "sara"}',
    "%",
    "sara\N{RIGHT-TO-LEFT OVERRIDE}nimda",
    "x" * 100,
    "\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}" * 100,
    "\ud800".encode("utf-16", "surrogatepass").decode("utf-16", "replace"),
]


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_text_is_data_everywhere(auth: AuthContext, text: str) -> None:
    hostile = replace(CALLER, user_agent=text)
    with pytest.raises(CredentialsWrongError):
        await sign_in(auth, username=text, password=text, caller=hostile)
    with pytest.raises(TokenInvalidError):
        await refresh(auth, refresh_token=text, caller=hostile)
    [refused] = await trail(auth)
    assert (refused.metadata["username"], refused.user_agent) == (text, text)
    assert auth.authenticate((await signed_in(auth)).access_token)
