"""Names of kinds, networks and files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from airlock.common.v1 import network_pb2 as networks

from transfer.bundle import names

BATCH = UUID("00112233-4455-6677-8899-aabbccddeeff")


@pytest.mark.parametrize("kind", names.KINDS)
def test_a_name_says_kind_time_and_batch(kind: networks.BundleKind.ValueType) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    filename = names.bundle_filename(kind, moment, BATCH)
    assert filename == f"{names.kind_name(kind)}_20260102_030405_{BATCH}.pb.enc"
    assert names.parse_bundle_filename(filename) == names.BundleName(kind, moment, BATCH)
    assert names.kind_from_name(names.kind_name(kind)) == kind


def test_the_time_in_a_name_is_utc() -> None:
    moment = datetime(2026, 1, 2, 1, 30, tzinfo=timezone(timedelta(hours=3, minutes=30)))
    assert "_20260101_220000_" in names.bundle_filename(networks.BUNDLE_KIND_USERS, moment, BATCH)
    with pytest.raises(ValueError, match="time zone"):
        names.bundle_filename(networks.BUNDLE_KIND_USERS, datetime(2026, 1, 2), BATCH)  # noqa: DTZ001 - that is the fault


@pytest.mark.parametrize(
    "filename",
    [
        "latest.pb.enc",
        f"results_20260102_030405_{BATCH}.pb.enc",
        f"users_20261302_030405_{BATCH}.pb.enc",
        f"users_20260102_030405_{BATCH}.pb.enc.meta.json",
        f"../users_20260102_030405_{BATCH}.pb.enc",
        f"users_20260102_030405_{str(BATCH).upper()}.pb.enc",
    ],
)
def test_other_names_are_not_taken(filename: str) -> None:
    assert names.parse_bundle_filename(filename) is None


def test_an_unknown_kind_or_network_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="requests, responses, users, settings, profile_types, status"):
        names.kind_from_name("results")
    with pytest.raises(ValueError, match="request and response"):
        names.network_from_name("unspecified")


def test_networks_have_names_and_another_side() -> None:
    assert names.network_name(networks.NETWORK_REQUEST) == "request"
    assert names.network_from_name("response") == networks.NETWORK_RESPONSE
    assert names.other_network(networks.NETWORK_REQUEST) == networks.NETWORK_RESPONSE
    assert names.other_network(networks.NETWORK_RESPONSE) == networks.NETWORK_REQUEST


def test_a_sidecar_is_named_after_its_bundle() -> None:
    assert names.sidecar_filename("x.pb.enc") == "x.pb.enc.meta.json"
