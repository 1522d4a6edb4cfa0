"""Users, profile types and settings across the gap: what is lost, late, forged or older changes nothing for long."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.two_networks import TwoNetworks

PUT_SETTING = (
    "WITH counted AS (INSERT INTO revision_counters (kind, revision) VALUES ('settings', 1)"
    " ON CONFLICT (kind) DO UPDATE SET revision = revision_counters.revision + 1 RETURNING revision)"
    " INSERT INTO settings (key, content, revision)"
    " SELECT :key, jsonb_build_object('value', CAST(:value AS int)), revision FROM counted"
    " ON CONFLICT (key) DO UPDATE SET content = excluded.content, revision = excluded.revision"
)
SETTING = "SELECT (content ->> 'value')::int FROM settings WHERE key = 'query.max_size'"
IN_STEP = "SELECT bool_and(in_step) FROM replica_states"


async def send(networks: TwoNetworks, *kinds: str) -> None:
    """Exports of the Response Network, carried and imported."""
    for kind in kinds:
        await networks.response.export(kind)
    networks.carry(networks.response, networks.request)
    await networks.request.import_()


async def answer_back(networks: TwoNetworks) -> None:
    """The Request Network tells what it holds."""
    await networks.request.app.exchange.export_status()
    networks.carry(networks.request, networks.response)
    await networks.response.import_()


async def set_size(networks: TwoNetworks, value: int) -> None:
    await networks.response.run(PUT_SETTING, key="query.max_size", value=value)


async def test_a_setting_and_the_profile_types_cross_before_and_after_the_first_word(networks: TwoNetworks) -> None:
    await set_size(networks, 5)
    await send(networks, "settings", "profile_types")
    assert await networks.request.value(SETTING) == 5
    names = await networks.request.value("SELECT string_agg(name, ',' ORDER BY name) FROM profile_types")
    assert names == "admin,basic,enterprise,premium"
    assert await networks.request.value(IN_STEP) is True
    await answer_back(networks)
    await set_size(networks, 6)
    await send(networks, "settings")
    assert await networks.request.value(SETTING) == 6


async def test_a_lost_bundle_costs_nothing_and_an_older_one_that_comes_late_changes_nothing(
    networks: TwoNetworks,
) -> None:
    await set_size(networks, 5)
    await networks.response.export("settings")
    [late] = networks.response.bundles("settings")
    late = Path(shutil.copy(late, networks.stick.parent))
    await set_size(networks, 6)
    # A day's difference between the clocks of the two networks.
    networks.clock.moved -= timedelta(days=1)
    await send(networks, "settings")
    assert await networks.request.value(SETTING) == 6
    networks.drop_in(networks.request, late)
    await networks.request.import_()
    assert await networks.request.value(SETTING) == 6
    assert await networks.request.value(IN_STEP) is True


async def test_users_are_sent_whole_again_once_the_other_network_reads_more(networks: TwoNetworks) -> None:
    await networks.bring_user("sara")
    await networks.response.run("UPDATE users SET session_version = 4 WHERE username = 'sara'")
    await answer_back(networks)
    await send(networks, "users")
    assert await networks.request.value("SELECT session_version FROM users WHERE username = 'sara'") == 4
    assert await networks.request.value(IN_STEP) is True
    await answer_back(networks)
    await networks.response.export("users")
    assert networks.response.bundles("users") == [], "nothing is new"
