"""The tables that the other network has a replica of: which rows, in what order, and as which records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog
from airlock.bundle.v1.replication_pb2 import Index, ProfileType, Setting, User
from airlock.common.v1 import network_pb2
from sqlalchemy import collate, func, literal, select, union_all

from common.policy.records import index_record, inherited_limits, profile_type_record, setting_record
from common.policy.tables import indices, profile_types, settings
from response_svc.adapters.tables import users
from transfer.bundle.limits import MAX_RECORD
from transfer.bundle.versions import POLICY_MINOR

if TYPE_CHECKING:
    from collections.abc import Callable

    from airlock.common.v1.network_pb2 import BundleKind
    from sqlalchemy import Row, Select, Table

log = structlog.get_logger("response_svc.replication")

Replicated = User | ProfileType | Setting | Index
FRAMING: Final = 16
"""Bytes that a record adds to the message in it, at most."""


@dataclass(frozen=True, slots=True)
class ReplicatedTable:
    """One kind of replication bundle. All rows come by one statement, so that they are of one moment."""

    kind: BundleKind.ValueType
    # Every row with its revision, in the order of the bundle; within a group in the order of ids as bytes.
    rows: Select[Any]
    highest_revision: Select[Any]
    # A row as it crosses the gap, in a schema minor.
    message: Callable[[Row[Any], int], Replicated]
    # By the type of message: its field in Record, and its group in the table's digest, which takes groups by name.
    fields: dict[type[Replicated], tuple[str, str]]


def user_message(row: Row[Any], schema_minor: int) -> User:
    """A user; towards a network that reads less than schema 1.2, without the fields that it does not know."""
    user = User(
        id=row.id.bytes,
        username=row.username,
        email=row.email,
        hashed_password=row.hashed_password,
        full_name=row.full_name,
        role=row.role,
        profile_type=row.profile_type,
        rate_limit_per_minute=row.rate_limit_per_minute,
        rate_limit_per_hour=row.rate_limit_per_hour,
        rate_limit_per_day=row.rate_limit_per_day,
        priority=row.priority,
        is_active=row.is_active,
        revision=row.revision,
    )
    if schema_minor >= POLICY_MINOR:
        user.inherits.extend(inherited_limits(row.inherits))
        user.session_version = row.session_version
    return user


def profile_type_message(row: Row[Any], _schema_minor: int) -> ProfileType:
    """A profile type, removed ones too."""
    return profile_type_record(row.name, row.content, row.revision, is_deleted=row.is_deleted)


def setting_or_index_message(row: Row[Any], _schema_minor: int) -> Setting | Index:
    """A setting or an index, removed ones too."""
    if row.part == "setting":
        return setting_record(row.key, row.content, row.revision, is_deleted=row.is_deleted)
    index = index_record(row.key, row.content, row.revision, is_deleted=row.is_deleted)
    if index.ByteSize() > MAX_RECORD - FRAMING:
        # It may be searched all the same; only the early word on its fields is lost.
        log.warning("index_sent_without_fields", index=row.key, fields=len(index.fields))
        index.ClearField("fields")
    return index


def _policy_rows(table: Table, part: str) -> Select[Any]:
    key = next(iter(table.primary_key))
    columns = (table.c.content, table.c.revision, table.c.is_deleted)
    return select(literal(part).label("part"), key.label("key"), *columns)


_settings_rows = union_all(_policy_rows(settings, "setting"), _policy_rows(indices, "index")).subquery()

USERS: Final = ReplicatedTable(
    kind=network_pb2.BUNDLE_KIND_USERS,
    rows=select(users).order_by(users.c.id),
    highest_revision=select(func.max(users.c.revision)),
    message=user_message,
    fields={User: ("user", "")},
)
PROFILE_TYPES: Final = ReplicatedTable(
    kind=network_pb2.BUNDLE_KIND_PROFILE_TYPES,
    rows=select(profile_types).order_by(collate(profile_types.c.name, "C")),
    highest_revision=select(func.max(profile_types.c.revision)),
    message=profile_type_message,
    fields={ProfileType: ("profile_type", "")},
)
SETTINGS: Final = ReplicatedTable(
    kind=network_pb2.BUNDLE_KIND_SETTINGS,
    rows=select(_settings_rows).order_by(_settings_rows.c.part.desc(), collate(_settings_rows.c.key, "C")),
    highest_revision=select(func.max(_settings_rows.c.revision)),
    message=setting_or_index_message,
    fields={Setting: ("setting", "setting/"), Index: ("index", "index/")},
)
REPLICATED_TABLES: Final = (USERS, PROFILE_TYPES, SETTINGS)
