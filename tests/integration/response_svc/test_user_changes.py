"""What the admin changes about users: limits, profile types, sessions, and who may come in again."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from airlock.response.v1 import user_service_pb2 as pb
from protovalidate import Validator

from common import clock
from common.auth.passwords import PasswordHasher
from common.auth.refresh import refresh
from common.auth.sign_in import sign_in
from common.database.notices import Notices
from common.database.transaction import Database
from common.errors import InvalidFieldError, PageTokenInvalidError, SessionEndedError, TokenExpiredError
from common.rpc.caller import current_caller
from response_svc.domain.user import Role, UserChanges
from response_svc.handlers.users import UserHandler
from response_svc.usecases.change_users import (
    create_user,
    deactivate_user,
    end_sessions,
    reactivate_user,
    set_password,
    update_user,
)
from response_svc.usecases.create_admin import create_admin
from response_svc.usecases.read_users import get_user
from tests.integration.common.accounts import CALLER
from tests.integration.response_svc.world import START, NewUser, make_user, rows

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from common.auth.context import AuthContext, TokenPair
    from response_svc.domain.user import User
    from response_svc.usecases.change_users import UserContext

CALL = cast("Any", None)
PASSWORD = "a good password"


async def signed_in(auth: AuthContext, password: str = PASSWORD) -> TokenPair:
    return await sign_in(auth, username="sara", password=password, caller=CALLER)


async def add_profile_type(database: Database, name: str, *, is_deleted: bool = False) -> None:
    await rows(
        database,
        "INSERT INTO profile_types (name, content, revision, is_deleted) SELECT :name, content, 100, :is_deleted"
        " FROM profile_types WHERE name = 'enterprise'",
        name=name,
        is_deleted=is_deleted,
    )


async def test_limits_that_are_not_given_are_those_of_the_profile_type(user_context: UserContext) -> None:
    user = await make_user(user_context, profile_type="premium", priority=9)
    assert user.inherits == ("rate_limit_per_day", "rate_limit_per_hour", "rate_limit_per_minute")
    # Spelt out too, for a replica that does not know the profile type yet.
    assert (user.rate_limit_per_minute, user.rate_limit_per_hour, user.rate_limit_per_day) == (60, 1000, 10_000)
    assert user.priority == 9


async def test_a_limit_of_his_own_is_given_and_taken_away_again(user_context: UserContext) -> None:
    user, caller = await make_user(user_context), current_caller()
    own = await update_user(user_context, user.id, UserChanges(rate_limit_per_day=7), caller=caller)
    assert (own.rate_limit_per_day, "rate_limit_per_day" in own.inherits) == (7, False)
    again = await update_user(user_context, user.id, UserChanges(inherit=("rate_limit_per_day",)), caller=caller)
    assert (again.rate_limit_per_day, again.inherits) == (500, user.inherits)
    unchanged = await update_user(user_context, user.id, UserChanges(inherit=("priority",)), caller=caller)
    assert unchanged.revision == again.revision
    with pytest.raises(InvalidFieldError, match="do either"):
        await update_user(user_context, user.id, UserChanges(priority=1, inherit=("priority",)), caller=caller)


async def test_any_profile_type_that_is_there_can_be_given(database: Database, user_context: UserContext) -> None:
    await add_profile_type(database, "night-shift")
    user = await make_user(user_context)
    changed = await update_user(user_context, user.id, UserChanges(profile_type="night-shift"), caller=CALLER)
    assert (changed.profile_type, changed.rate_limit_per_minute, changed.priority) == ("night-shift", 300, 8)


@pytest.mark.parametrize("name", ["unknown", "removed"])
async def test_a_profile_type_that_is_not_there_is_refused(
    database: Database, user_context: UserContext, name: str
) -> None:
    await add_profile_type(database, "removed", is_deleted=True)
    user = await make_user(user_context)
    with pytest.raises(InvalidFieldError, match="is no profile type"):
        await update_user(user_context, user.id, UserChanges(profile_type=name), caller=CALLER)
    with pytest.raises(InvalidFieldError, match="is no profile type"):
        await make_user(user_context, "omid", profile_type=name)


async def test_the_admins_profile_type_is_for_the_admin_only(user_context: UserContext) -> None:
    admin = await create_admin(user_context, username="admin", email="a@example.org", password=PASSWORD)
    assert (admin.profile_type, admin.priority, len(admin.inherits)) == ("admin", 10, 4)
    user = await make_user(user_context)
    with pytest.raises(InvalidFieldError, match="for the admin only"):
        await update_user(user_context, user.id, UserChanges(profile_type="admin"), caller=CALLER)
    with pytest.raises(InvalidFieldError, match="for the admin only"):
        await make_user(user_context, "omid", profile_type="admin")


@pytest.mark.parametrize(
    "changes", [UserChanges(priority=9), UserChanges(profile_type="premium")], ids=["limit", "type"]
)
async def test_another_limit_counts_at_once_and_the_session_goes_on(
    user_context: UserContext, auth: AuthContext, changes: UserChanges
) -> None:
    user = await make_user(user_context)
    pair = await signed_in(auth)
    await update_user(user_context, user.id, changes, caller=CALLER)
    await auth.revocations.refresh()
    with pytest.raises(TokenExpiredError):
        auth.authenticate(pair.access_token)
    fresh = await refresh(auth, refresh_token=pair.refresh_token, caller=CALLER)
    assert auth.authenticate(fresh.access_token).limits == (await get_user(user_context, user.id)).limits


async def test_a_new_address_disturbs_nobody(user_context: UserContext, auth: AuthContext) -> None:
    user = await make_user(user_context)
    pair = await signed_in(auth)
    await update_user(user_context, user.id, UserChanges(email="new@example.org", full_name="S"), caller=CALLER)
    await auth.revocations.refresh()
    assert auth.authenticate(pair.access_token)


async def by_deactivating(context: UserContext, user: User) -> None:
    await deactivate_user(context, user.id, caller=CALLER)
    await reactivate_user(context, user.id, caller=CALLER)


async def by_ending(context: UserContext, user: User) -> None:
    await end_sessions(context, user.id, caller=CALLER)


async def by_another_role(context: UserContext, user: User) -> None:
    await update_user(context, user.id, UserChanges(role=Role.OPERATOR), caller=CALLER)


async def by_a_password(context: UserContext, user: User) -> None:
    await set_password(context, user.id, PASSWORD, caller=CALLER)


@pytest.mark.parametrize("end", [by_deactivating, by_ending, by_another_role, by_a_password])
async def test_what_ends_sessions_ends_them_for_good_and_says_so_to_the_other_network(
    user_context: UserContext, auth: AuthContext, end: Callable[[UserContext, User], Awaitable[None]]
) -> None:
    user = await make_user(user_context)
    old = await signed_in(auth)
    await end(user_context, user)
    await auth.revocations.refresh()
    with pytest.raises(SessionEndedError):
        auth.authenticate(old.access_token)
    with pytest.raises(SessionEndedError):
        await refresh(auth, refresh_token=old.refresh_token, caller=CALLER)
    assert auth.authenticate((await signed_in(auth)).access_token)
    assert (await get_user(user_context, user.id)).session_version > 0


async def test_a_user_is_reactivated_once(user_context: UserContext, database: Database) -> None:
    user = await make_user(user_context)
    await deactivate_user(user_context, user.id, caller=CALLER)
    assert (await reactivate_user(user_context, user.id, caller=CALLER)).is_active
    assert (await reactivate_user(user_context, user.id, caller=CALLER)).revision == user.revision + 2
    audited = [row.action for row in await rows(database, "SELECT action FROM audit_logs ORDER BY id")]
    assert audited == ["user.created", "user.deactivated", "user.reactivated"]


@pytest.mark.parametrize("poll_only", [True, False])
async def test_a_deactivated_user_is_out_in_every_process(
    user_context: UserContext, auth: AuthContext, database: Database, poll_only: bool
) -> None:
    user = await make_user(user_context)
    pair = await signed_in(auth)
    elsewhere = Database(database.url)
    notices = Notices(None if poll_only else database.url)
    there = replace(
        auth,
        database=elsewhere,
        revocations=type(auth.revocations)(
            elsewhere,
            token_lifetime=auth.tokens.lifetime,
            # The listening one would not poll within the test's patience.
            poll_seconds=0.2 if poll_only else 60.0,
            notices=notices,
        ),
    )
    await there.revocations.start()
    notices.start()
    if not poll_only:
        await until_somebody_listens(database)
    assert there.authenticate(pair.access_token)
    await deactivate_user(user_context, user.id, caller=CALLER)
    await until_refused(there, pair)
    await notices.close()
    await there.revocations.close()
    await elsewhere.close()


async def until_somebody_listens(database: Database) -> None:
    async with asyncio.timeout(30):
        while not await rows(
            database,
            "SELECT FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()",
        ):
            pass


async def until_refused(auth: AuthContext, pair: TokenPair) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                auth.authenticate(pair.access_token)
            except SessionEndedError:
                return
            await asyncio.sleep(0.02)


async def test_a_rehash_takes_a_revision_and_ends_nothing(user_context: UserContext, auth: AuthContext) -> None:
    user = await make_user(user_context)
    before = await signed_in(auth)
    dearer = replace(auth, hasher=PasswordHasher(time_cost=2, memory_kib=16, parallelism=1, threads=1))
    await signed_in(dearer)
    after = await get_user(user_context, user.id)
    assert (after.revision, after.session_version) == (user.revision + 1, 0)
    assert not dearer.hasher.needs_rehash(after.hashed_password)
    await signed_in(dearer)
    assert (await get_user(user_context, user.id)).revision == after.revision
    dearer.hasher.close()
    await auth.revocations.refresh()
    assert auth.authenticate(before.access_token)


FULL_WIDTH = "".join(chr(ord(letter) + 0xFEE0) for letter in "admin")
NO_PLAIN_NAMES = [
    FULL_WIDTH,
    "\N{CYRILLIC SMALL LETTER A}dmin",
    "adm\N{LATIN SMALL LETTER DOTLESS I}n",
    "sara\N{ZERO WIDTH SPACE}",
    "sara\n",
    "'; DROP TABLE users; --",
    "sara' OR '1'='1",
    "-sara",
    "sara#1",
    "x" * 101,
    "",
]


@pytest.mark.parametrize("name", NO_PLAIN_NAMES)
async def test_only_plain_names_can_be_made_and_the_refusal_says_so(user_context: UserContext, name: str) -> None:
    with pytest.raises(InvalidFieldError, match="plain ASCII"):
        await create_user(user_context, NewUser(name, "s@example.org", PASSWORD), caller=CALLER)
    found = Validator().collect_violations(
        pb.CreateUserRequest(username=name, email="s@example.org", password=PASSWORD)
    )
    assert [violation.proto.message for violation in found if "plain ASCII" in violation.proto.message]


@pytest.mark.parametrize("email", ["nobody", "a b@example.org", "a@b\r\nBcc: c@d", "x" * 250 + "@example.org", "@", ""])
async def test_what_is_no_address_is_refused(user_context: UserContext, email: str) -> None:
    with pytest.raises(InvalidFieldError, match="e-mail address"):
        await create_user(user_context, NewUser("sara", email, PASSWORD), caller=CALLER)
    assert Validator().collect_violations(pb.CreateUserRequest(username="sara", email=email, password=PASSWORD))


async def test_full_names_and_prefixes_are_data(user_context: UserContext, auth: AuthContext) -> None:
    hostile = '\'); DELETE FROM users; --\r\n{"level": "error"} \N{RIGHT-TO-LEFT OVERRIDE}'
    user = await make_user(user_context, full_name=hostile)
    assert (await get_user(user_context, user.id)).full_name == hostile
    handler = UserHandler(user_context, auth)
    for prefix in ("' OR '1'='1", "%", "_", "\\", "sara%"):
        assert not (await handler.ListUsers(pb.ListUsersRequest(username_prefix=prefix), CALL)).users


async def test_users_are_paged_in_every_order(user_context: UserContext, auth: AuthContext) -> None:
    handler = UserHandler(user_context, auth)
    for n, name in enumerate(("Zahra", "ali", "Babak", "banu", "cyrus")):
        await make_user(replace(user_context, clock=lambda n=n: START + timedelta(hours=5 - n)), name)
    for name in ("Zahra", "banu"):
        await sign_in(auth, username=name, password=PASSWORD, caller=CALLER)

    async def listed(order_by: str) -> list[str]:
        names: list[str] = []
        token = ""
        while True:
            page = await handler.ListUsers(pb.ListUsersRequest(page_size=2, order_by=order_by, page_token=token), CALL)
            names += [user.username for user in page.users]
            token = page.next_page_token
            if not token:
                return names

    by_name = ["ali", "Babak", "banu", "cyrus", "Zahra"]
    assert await listed("") == await listed("username") == by_name
    assert await listed("username desc") == by_name[::-1]
    assert await listed("created_at") == await listed("updated_at") == ["cyrus", "banu", "Babak", "ali", "Zahra"]
    assert await listed("created_at desc") == ["Zahra", "ali", "Babak", "banu", "cyrus"]
    assert (await listed("last_login"))[3:] == ["Zahra", "banu"]
    assert (await listed("last_login desc"))[:2] == ["banu", "Zahra"]


async def test_users_are_filtered_by_role_and_profile_type(user_context: UserContext, auth: AuthContext) -> None:
    handler = UserHandler(user_context, auth)
    await make_user(user_context, "sara", role=Role.OPERATOR)
    await make_user(user_context, "omid", profile_type="premium")

    async def listed(**wanted: Any) -> list[str]:
        return [user.username for user in (await handler.ListUsers(pb.ListUsersRequest(**wanted), CALL)).users]

    assert await listed(role="operator") == ["sara"]
    assert await listed(profile_type="premium") == ["omid"]
    assert await listed(role="operator", profile_type="premium") == []


async def test_a_page_token_of_one_order_is_none_of_another(user_context: UserContext, auth: AuthContext) -> None:
    handler = UserHandler(user_context, auth)
    for name in ("a", "b"):
        await make_user(user_context, name)
    token = (await handler.ListUsers(pb.ListUsersRequest(page_size=1), CALL)).next_page_token
    with pytest.raises(PageTokenInvalidError):
        await handler.ListUsers(pb.ListUsersRequest(page_size=1, order_by="created_at", page_token=token), CALL)


async def test_the_limits_shown_are_those_that_count_now(
    user_context: UserContext, auth: AuthContext, database: Database
) -> None:
    handler = UserHandler(user_context, auth)
    user = await make_user(user_context, priority=2)
    await rows(
        database,
        "UPDATE profile_types SET content = content || '{\"rate_limit_per_minute\": 44}', changed_at = :at"
        " WHERE name = 'basic'",
        at=clock.now(),
    )
    await auth.policy.refresh()
    shown = (await handler.GetUser(pb.GetUserRequest(id=str(user.id)), CALL)).user
    assert (shown.rate_limit_per_minute, shown.rate_limit_per_hour, shown.priority) == (44, 100, 2)
    assert list(shown.inherits) == list(user.inherits)
