"""Every measurement of `make bench` still runs: a small one of each, whose figures nobody looks at."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from bench import bundle, carrying, importing_users, imports, rate_limit, status, submitting

if TYPE_CHECKING:
    from types import ModuleType


@pytest.mark.parametrize(
    ("measurement", "sizes"),
    [
        pytest.param(bundle, {"RECORDS": 200, "REPEATS": 1}, id="bundle"),
        pytest.param(carrying, {"BUNDLES": 2, "BUNDLE_BYTES": 1 << 20, "REPEATS": 1}, id="carrying"),
        pytest.param(importing_users, {"USERS": 200, "REPEATS": 1}, id="importing_users"),
        pytest.param(imports, {"RECORDS": 200, "REPEATS": 1}, id="imports"),
        pytest.param(rate_limit, {"CALLS": 20, "REPEATS": 1}, id="rate_limit"),
        pytest.param(status, {"BUNDLES": 200, "REPEATS": 1}, id="status"),
        pytest.param(submitting, {"CALLS": 400, "REPEATS": 1}, id="submitting"),
    ],
)
def test_a_measurement_prints_its_ratios_and_what_each_is_held_against(
    measurement: ModuleType,
    sizes: dict[str, int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, size in sizes.items():
        monkeypatch.setattr(measurement, name, size)
    measurement.main()
    assert re.search(r" {2}\d+\.\d\d {2}(<|≤|≥|>=) [\d.]+$", capsys.readouterr().out, re.MULTILINE)
