"""What `airlock-request check` says of the users."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from common.health.checks import HealthError
from request_svc.adapters.tables import replica_states
from request_svc.cli import UsersCheck
from tests.integration.request_svc.request_world import user_message, users_bundle

if TYPE_CHECKING:
    from common.database.transaction import Database
    from tests.integration.request_svc.request_world import World


async def test_it_counts_those_who_can_sign_in_and_names_the_last_bundle(world: World) -> None:
    await world.import_users(users_bundle([user_message("sara")], snapshot=True))
    said = await UsersCheck(world.database)()
    assert said.startswith("1 active, as of 2026-03-01 08:30 UTC (bundle ")


async def test_without_a_users_bundle_it_says_what_to_do_first(world: World, owner: Database) -> None:
    async with owner.transaction() as transaction:
        await transaction.connection.execute(replica_states.delete())
    with pytest.raises(HealthError, match="airlock-response create-admin"):
        await UsersCheck(world.database)()


async def test_a_replica_that_differs_from_its_master_is_wrong(world: World, owner: Database) -> None:
    async with owner.transaction() as transaction:
        await transaction.connection.execute(update(replica_states).values(in_step=False))
    with pytest.raises(HealthError, match="differ from those of the Response Network"):
        await UsersCheck(world.database)()
