"""Which schema a bundle's records are written in, by kind and by what the other network reads."""

from __future__ import annotations

import pytest
from airlock.common.v1.network_pb2 import (
    BUNDLE_KIND_PROFILE_TYPES,
    BUNDLE_KIND_REQUESTS,
    BUNDLE_KIND_RESPONSES,
    BUNDLE_KIND_SETTINGS,
    BUNDLE_KIND_STATUS,
    BUNDLE_KIND_USERS,
    BundleKind,
)

from transfer.bundle.versions import newest_minor, records_minor


@pytest.mark.parametrize(
    ("kind", "peer_reads", "minor"),
    [
        (BUNDLE_KIND_USERS, None, 0),
        (BUNDLE_KIND_USERS, 0, 0),
        (BUNDLE_KIND_USERS, 1, 0),
        (BUNDLE_KIND_USERS, 2, 2),
        (BUNDLE_KIND_USERS, 9, 2),
        (BUNDLE_KIND_PROFILE_TYPES, None, 2),
        (BUNDLE_KIND_PROFILE_TYPES, 1, None),
        (BUNDLE_KIND_SETTINGS, 0, None),
        (BUNDLE_KIND_SETTINGS, 2, 2),
        (BUNDLE_KIND_REQUESTS, None, 0),
        (BUNDLE_KIND_RESPONSES, 9, 0),
        (BUNDLE_KIND_STATUS, 0, 0),
    ],
)
def test_the_other_network_decides(kind: BundleKind.ValueType, peer_reads: int | None, minor: int | None) -> None:
    assert records_minor(kind, peer_reads) == minor


def test_by_hand_a_bundle_is_written_in_what_its_kind_may_need() -> None:
    minors = {kind: newest_minor(kind) for kind in BundleKind.values() if kind}
    replicated = {BUNDLE_KIND_USERS, BUNDLE_KIND_PROFILE_TYPES, BUNDLE_KIND_SETTINGS}
    assert {kind for kind, minor in minors.items() if minor == 2} == replicated
