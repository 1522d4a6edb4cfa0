"""Every service that a network's descriptors describe is to be had over REST."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.common.permission_table import NETWORKS, services_of

ENVOY = Path(__file__).parents[3] / "envoy"


@pytest.mark.parametrize("network", NETWORKS)
def test_envoy_transcodes_every_service(network: str) -> None:
    named = re.findall(r"^ +- (airlock\.[a-z]+\.v1\.\w+)$", (ENVOY / f"{network}.yaml").read_text(), re.MULTILINE)
    assert set(named) == services_of(network)
    assert len(named) == len(set(named))
