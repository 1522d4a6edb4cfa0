"""Waking the exports of replicated tables: a change is to travel with the next courier, not after the next sweep."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from airlock.common.v1 import network_pb2

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from airlock.common.v1.network_pb2 import BundleKind

    from common.jobs.queue import JobQueue

EXPORT_JOBS: Final = {
    network_pb2.BUNDLE_KIND_USERS: "export_users",
    network_pb2.BUNDLE_KIND_PROFILE_TYPES: "export_profile_types",
    network_pb2.BUNDLE_KIND_SETTINGS: "export_settings",
}
"""The jobs that are woken when something changed, by what they export; each has its sweep besides."""


def export_wake_ups(queue: JobQueue) -> Mapping[BundleKind.ValueType, Callable[[], Awaitable[None]]]:
    """By kind, what a use case gives to `Transaction.after_commit` when it changed a row of that kind."""
    return {kind: partial(queue.wake, name) for kind, name in EXPORT_JOBS.items()}
