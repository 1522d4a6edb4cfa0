"""A user changes his own password: the old one is needed, guesses are throttled, and other sessions end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from common.auth.refresh import refresh
from common.auth.sign_in import sign_in
from common.errors import CredentialsWrongError, InvalidFieldError, RateLimitedError, SessionEndedError
from response_svc.usecases.change_own_password import change_own_password
from response_svc.usecases.change_users import deactivate_user
from response_svc.usecases.read_users import get_user
from tests.integration.common.accounts import CALLER
from tests.integration.response_svc.world import make_user, rows

if TYPE_CHECKING:
    from common.auth.context import AuthContext, TokenPair
    from common.database.transaction import Database
    from response_svc.domain.user import User
    from response_svc.usecases.change_users import UserContext

OLD = "a good password"
NEW = "another good password"


@pytest.fixture
async def sara(user_context: UserContext) -> User:
    return await make_user(user_context)


async def signed_in(auth: AuthContext, password: str = OLD) -> TokenPair:
    return await sign_in(auth, username="sara", password=password, caller=CALLER)


async def change(context: UserContext, auth: AuthContext, pair: TokenPair, old: str = OLD, new: str = NEW) -> None:
    principal = auth.authenticate(pair.access_token)
    caller = replace(CALLER, principal=principal)
    await change_own_password(context, auth, old_password=old, new_password=new, principal=principal, caller=caller)


async def test_the_new_password_counts_and_only_this_session_goes_on(
    user_context: UserContext, auth: AuthContext, sara: User
) -> None:
    other, current = await signed_in(auth), await signed_in(auth)
    await change(user_context, auth, current)
    with pytest.raises(SessionEndedError):
        auth.authenticate(other.access_token)
    with pytest.raises(SessionEndedError):
        await refresh(auth, refresh_token=other.refresh_token, caller=CALLER)
    await auth.revocations.refresh()
    assert auth.authenticate(current.access_token)
    assert await refresh(auth, refresh_token=current.refresh_token, caller=CALLER)
    with pytest.raises(CredentialsWrongError):
        await signed_in(auth, OLD)
    assert await signed_in(auth, NEW)
    after = await get_user(user_context, sara.id)
    # So that the other network hears of it and ends his sessions there.
    assert (after.revision, after.session_version > 0) == (sara.revision + 1, True)


@pytest.mark.usefixtures("sara")
async def test_a_wrong_old_password_changes_nothing_and_is_audited(
    user_context: UserContext, auth: AuthContext, database: Database
) -> None:
    pair = await signed_in(auth)
    with pytest.raises(CredentialsWrongError, match="old password"):
        await change(user_context, auth, pair, old="guess")
    assert await signed_in(auth, OLD)
    actions = [row.action for row in await rows(database, "SELECT action FROM audit_logs ORDER BY id")]
    assert actions == ["user.created", "auth.signed_in", "user.password_change_refused", "auth.signed_in"]


@pytest.mark.usefixtures("sara")
async def test_a_stolen_token_cannot_guess_the_password(user_context: UserContext, auth: AuthContext) -> None:
    pair = await signed_in(auth)
    for n in range(5):
        with pytest.raises(CredentialsWrongError):
            await change(user_context, auth, pair, old=f"guess {n}")
    with pytest.raises(RateLimitedError):
        await change(user_context, auth, pair, old=OLD)
    # The same count as that of sign-in.
    with pytest.raises(RateLimitedError):
        await signed_in(auth)


@pytest.mark.usefixtures("sara")
async def test_the_old_password_is_no_new_one(user_context: UserContext, auth: AuthContext) -> None:
    pair = await signed_in(auth)
    with pytest.raises(InvalidFieldError, match="choose another"):
        await change(user_context, auth, pair, new=OLD)


async def test_one_who_was_deactivated_meanwhile_changes_nothing(
    user_context: UserContext, auth: AuthContext, sara: User
) -> None:
    pair = await signed_in(auth)
    await deactivate_user(user_context, sara.id, caller=CALLER)
    with pytest.raises(SessionEndedError):
        await change(user_context, auth, pair)
    assert (await get_user(user_context, sara.id)).session_version > 0
