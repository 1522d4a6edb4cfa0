"""Replicated tables when processes die, rows are damaged and bundles of the first contact come in any order."""

from __future__ import annotations

import gc
import itertools
from typing import TYPE_CHECKING

import pytest
from airlock.common.v1.failure_reason_pb2 import FailureReason
from sqlalchemy import text

from common.batches.steps import Step
from common.rpc.caller import current_caller
from response_svc.usecases.change_indices import disallow_index
from response_svc.usecases.change_settings import set_setting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.two_networks import TwoNetworks

KINDS = ("profile_types", "settings", "users")
IMPORT_STEPS = (Step.STAGE, Step.APPLY, Step.COMMIT, Step.ARCHIVE)
EXPORT_STEPS = (Step.FREEZE, Step.SEAL, Step.WRITE, Step.RENAME, Step.CONFIRM)
IN_STEP = "SELECT count(*) FILTER (WHERE in_step) FROM replica_states"
SIZE = "SELECT (content ->> 'value')::int FROM settings WHERE key = 'query.max_size' AND NOT is_deleted"


class PowerCutError(BaseException):
    """The process is gone at this point."""


async def set_size(networks: TwoNetworks, value: int) -> None:
    """The admin's decision; nothing is carried."""
    context = networks.response.app.policy
    await set_setting(context, "query.max_size", value, revision=None, caller=current_caller())


async def change_all(networks: TwoNetworks) -> None:
    """Something new of each kind."""
    await set_size(networks, 7)
    await networks.response.run(
        "UPDATE profile_types SET content = content || '{\"priority\": 9}', revision = "
        "(SELECT max(revision) + 1 FROM profile_types) WHERE name = 'basic'"
    )
    await networks.shut_out("sara")


async def send(networks: TwoNetworks, kinds: Sequence[str] = KINDS) -> None:
    for kind in kinds:
        await networks.response.export(kind)
    networks.carry(networks.response, networks.request)
    await networks.request.import_()


async def answer_back(networks: TwoNetworks) -> None:
    await networks.request.app.exchange.export_status()
    networks.carry(networks.request, networks.response)
    await networks.response.import_()


async def replica_follows(networks: TwoNetworks) -> None:
    assert await networks.request.value(SIZE) == 7
    basic = "SELECT (content ->> 'priority')::int FROM profile_types WHERE name = 'basic'"
    assert await networks.request.value(basic) == 9
    assert await networks.request.value("SELECT is_active FROM users WHERE username = 'sara'") is False
    assert await networks.request.value(IN_STEP) == 3


@pytest.mark.parametrize("step", IMPORT_STEPS)
async def test_an_import_of_replicas_that_dies_at_any_step_is_finished_by_the_next(
    networks: TwoNetworks, step: Step
) -> None:
    await networks.bring_user("sara")
    await answer_back(networks)
    await change_all(networks)
    for kind in KINDS:
        await networks.response.export(kind)
        networks.carry(networks.response, networks.request)
        networks.request.break_at(step, PowerCutError())
        with pytest.raises(PowerCutError):
            await networks.request.import_()
        networks.request.mend()
        await networks.request.import_()
    await replica_follows(networks)
    ended = "SELECT count(*) FROM session_endings WHERE reason = 'deactivated'"
    assert await networks.request.value(ended) == 1, "once, whatever died"


# A process that is killed closes no file, and so the test must not mind one that nobody closed.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("step", EXPORT_STEPS)
async def test_a_change_while_its_predecessor_is_being_sealed_is_in_the_next_bundle(
    networks: TwoNetworks, step: Step
) -> None:
    await networks.bring_user("sara")
    await answer_back(networks)
    await set_size(networks, 3)
    networks.response.break_at(step, PowerCutError())
    with pytest.raises(PowerCutError):
        await networks.response.export("settings")
    gc.collect()
    # Committed while the bundle of before is neither done nor given up.
    await set_size(networks, 7)
    networks.response.mend()
    await networks.response.export("settings")
    await networks.response.export("settings")
    assert len(networks.response.bundles("settings")) == 1, "the newest is enough"
    networks.carry(networks.response, networks.request)
    await networks.request.import_()
    assert await networks.request.value(SIZE) == 7
    assert await networks.request.value(IN_STEP) == 3


@pytest.mark.parametrize("order", list(itertools.permutations(KINDS)), ids="-".join)
async def test_the_first_bundles_may_come_in_any_order(networks: TwoNetworks, order: Sequence[str]) -> None:
    await networks.make_user(await networks.response.sign_in("admin"), "sara")
    for kind in KINDS:
        await networks.response.export(kind)
    for kind in order:
        [bundle] = networks.response.bundles(kind)
        networks.drop_in(networks.request, bundle)
        await networks.request.import_()
    assert await networks.request.value(IN_STEP) == 3
    assert await networks.request.value("SELECT count(*) FROM users") == 2


@pytest.mark.parametrize("lost", KINDS)
async def test_a_first_bundle_that_is_lost_is_made_good_by_the_next_of_its_kind(
    networks: TwoNetworks, lost: str
) -> None:
    await networks.make_user(await networks.response.sign_in("admin"), "sara")
    for kind in KINDS:
        await networks.response.export(kind)
    for kind in KINDS:
        if kind != lost:
            networks.drop_in(networks.request, networks.response.bundles(kind)[0])
    await networks.request.import_()
    assert await networks.request.value("SELECT count(*) FROM replica_states") == 2
    # It still waits in the outbox: nobody acknowledged it.
    await answer_back(networks)
    await change_all(networks)
    await send(networks)
    await replica_follows(networks)


async def test_a_damaged_row_of_the_replica_is_healed_by_the_next_round(networks: TwoNetworks) -> None:
    await networks.bring_user("sara")
    await answer_back(networks)
    # The first bundle in the schema that the other network reads holds everybody; those after it do not.
    await send(networks)
    await answer_back(networks)
    async with networks.request.as_superuser() as connection:
        await connection.execute(text("UPDATE users SET priority = 10 WHERE username = 'sara'"))
        await connection.execute(text('UPDATE indices SET content = content || \'{"description": "mine"}\''))
    await set_size(networks, 7)
    await networks.make_user(await networks.response.sign_in("admin"), "omid")
    await send(networks)
    assert await networks.request.value(IN_STEP) == 1, "users and settings are seen to differ"
    await answer_back(networks)
    await send(networks)
    assert await networks.request.value(IN_STEP) == 3
    assert await networks.request.value("SELECT count(*) FROM users WHERE username = 'sara' AND priority = 10") == 0
    assert await networks.request.value("SELECT count(*) FROM indices WHERE content ->> 'description' <> ''") == 0


async def test_a_question_under_an_index_that_was_disallowed_meanwhile_comes_back_with_a_clear_text(
    networks: TwoNetworks,
) -> None:
    sara = await networks.bring_user("sara")
    asked = await sara.submit()
    await networks.send_requests()
    await disallow_index(networks.response.app.policy, "cities", revision=None, caller=current_caller())
    await networks.response.app.auth.policy.refresh()
    assert await networks.execute() == {"refused": 1}
    await networks.send_answers()
    request = await sara.request(asked)
    assert request.failure_reason == FailureReason.FAILURE_REASON_REFUSED
    assert request.error_message.startswith("the index cities may not be searched")
