"""Users on a real database: uniqueness, the one admin, and revisions that become visible in order."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from common.errors import AlreadyExistsError, NotFoundError, WrongStateError
from common.rpc.caller import current_caller
from response_svc.adapters.accounts import MasterAccounts
from response_svc.adapters.users import PostgresUsers
from response_svc.domain.user import Role, User, UserChanges
from response_svc.domain.user_list import UserFilter, UserOrder, place_of
from response_svc.usecases.change_users import create_user, deactivate_user, set_password, update_user, user_from
from response_svc.usecases.create_admin import create_admin
from response_svc.usecases.read_users import get_user, list_users
from tests.integration.common.signing_in import a_deactivation_meanwhile_shuts_out
from tests.integration.response_svc.world import BASIC, START, NewUser, make_user, rows

if TYPE_CHECKING:
    from common.database.transaction import Database, Transaction
    from response_svc.usecases.change_users import UserContext


async def test_a_user_is_made_with_a_hash_a_revision_and_an_audit_row(
    database: Database, user_context: UserContext
) -> None:
    user = await make_user(user_context)
    assert await get_user(user_context, user.id) == user
    assert user.revision == 1
    assert user.hashed_password.startswith("$argon2id$")
    [audit] = await rows(database, "SELECT * FROM audit_logs")
    assert (audit.action, audit.resource_id) == ("user.created", str(user.id))
    assert "a good password" not in str(audit)


@pytest.mark.parametrize(
    "new",
    [
        NewUser(username="SARA", email="other@example.org", password="a good password"),
        NewUser(username="other", email="Sara@Example.org", password="a good password"),
    ],
    ids=["name", "address"],
)
async def test_names_and_addresses_are_unique_without_regard_to_case(user_context: UserContext, new: NewUser) -> None:
    await make_user(user_context, "sara")
    with pytest.raises(AlreadyExistsError):
        await create_user(user_context, new, caller=current_caller())


async def test_every_change_takes_the_next_revision(user_context: UserContext) -> None:
    user = await make_user(user_context)
    caller = current_caller()
    assert (await update_user(user_context, user.id, UserChanges(priority=9), caller=caller)).revision == 2
    await set_password(user_context, user.id, "another password", caller=caller)
    assert (await deactivate_user(user_context, user.id, caller=caller)).revision == 4
    assert (await deactivate_user(user_context, user.id, caller=caller)).revision == 4
    unchanged = await update_user(user_context, user.id, UserChanges(priority=9), caller=caller)
    assert (unchanged.revision, unchanged.is_active) == (4, False)


@pytest.mark.parametrize("change", ["password", "deactivation", "role"])
async def test_what_shuts_a_user_out_ends_his_sessions(
    database: Database, user_context: UserContext, change: str
) -> None:
    user = await make_user(user_context)
    if change == "password":
        await set_password(user_context, user.id, "another password", caller=current_caller())
    elif change == "deactivation":
        await deactivate_user(user_context, user.id, caller=current_caller())
    else:
        await update_user(user_context, user.id, UserChanges(role=Role.OPERATOR), caller=current_caller())
    assert [row.user_id for row in await rows(database, "SELECT user_id FROM session_endings")] == [user.id]


async def test_an_unknown_user_is_not_found(user_context: UserContext) -> None:
    with pytest.raises(NotFoundError):
        await get_user(user_context, uuid4())
    with pytest.raises(NotFoundError):
        await deactivate_user(user_context, uuid4(), caller=current_caller())


async def test_a_second_admin_is_refused(user_context: UserContext) -> None:
    admin = await create_admin(user_context, username="admin", email="a@example.org", password="a good password")
    assert admin.role is Role.ADMIN
    with pytest.raises(AlreadyExistsError):
        await create_admin(user_context, username="second", email="b@example.org", password="a good password")
    with pytest.raises(WrongStateError):
        await deactivate_user(user_context, admin.id, caller=current_caller())


async def test_of_many_admins_made_at_once_one_is_made(database: Database, user_context: UserContext) -> None:
    made = await asyncio.gather(
        *(
            create_admin(user_context, username=f"admin{n}", email=f"{n}@example.org", password="a good password")
            for n in range(5)
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, AlreadyExistsError) for outcome in made) == 4
    assert len(await rows(database, "SELECT FROM users")) == 1


async def test_a_later_revision_waits_until_the_earlier_one_is_committed(
    database: Database, user_context: UserContext
) -> None:
    users = PostgresUsers()
    new = NewUser(username="first", email="first@example.org", password="")
    async with database.transaction() as transaction:
        connection = transaction.connection
        revision = await users.next_revision(connection)
        overtaking = asyncio.create_task(make_user(user_context, "second"))
        waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        async with asyncio.timeout(10):
            while not await rows(database, waiting):
                assert not overtaking.done()
        await users.insert(connection, user_from(new, "$argon2id$", BASIC, revision=revision, at=START))
    assert (revision, (await overtaking).revision) == (1, 2)


async def test_users_are_listed_by_name_in_pages(user_context: UserContext) -> None:
    made = {name: await make_user(user_context, name) for name in ("Zahra", "ali", "Babak", "banu")}

    async def listed(after: User | None = None, **wanted: Any) -> tuple[list[str], bool]:
        place = place_of(after, UserOrder()) if after is not None else None
        found, more = await list_users(
            user_context, wanted=UserFilter(**wanted), order=UserOrder(), after=place, limit=3
        )
        return [user.username for user in found], more

    assert await listed() == (["ali", "Babak", "banu"], True)
    assert await listed(made["banu"]) == (["Zahra"], False)
    assert await listed(username_prefix="BA", is_active=True) == (["Babak", "banu"], False)
    assert await listed(username_prefix="b%") == ([], False)
    assert await listed(is_active=False) == ([], False)


async def test_one_who_is_deactivated_while_he_signs_in_stays_outside(
    database: Database, user_context: UserContext
) -> None:
    user = await make_user(user_context)

    async def deactivate(transaction: Transaction) -> None:
        statement = text("UPDATE users SET is_active = false WHERE id = :id")
        await transaction.connection.execute(statement, {"id": user.id})

    await a_deactivation_meanwhile_shuts_out(
        database, MasterAccounts(), deactivate=deactivate, username=user.username, password="a good password"
    )
