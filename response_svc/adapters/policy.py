"""Profile types, settings and indices as stores: rows with revisions in order, and every content that they had."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, func, select, update
from sqlalchemy.dialects.postgresql import insert

from common.policy import tables
from common.policy.live import announce_change
from response_svc.adapters.tables import policy_versions, revision_counters, users
from response_svc.domain.policy_row import Change, PolicyRow, PolicyVersion

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import Row, Select, Table
    from sqlalchemy.ext.asyncio import AsyncConnection

PROFILE_TYPES_KIND: Final = "profile_types"
SETTINGS_KIND: Final = "settings"
"""Settings and indices travel in one kind of bundle, so one counter orders both."""

versions = policy_versions.c


class PostgresPolicyRows:
    """The rows of one table of the policy in PostgreSQL."""

    def __init__(self, table: Table, *, subject: str, kind: str) -> None:
        """`subject` names the rows among the versions, `kind` the counter that orders their revisions."""
        self._table = table
        self._key = next(iter(table.primary_key))
        self._subject = subject
        self._kind = kind

    async def hold(self, connection: AsyncConnection) -> None:
        """Lets nobody else change a row of this kind until the transaction has ended."""
        await connection.execute(insert(revision_counters).values(kind=self._kind, revision=0).on_conflict_do_nothing())
        await connection.execute(
            select(revision_counters.c.revision).where(revision_counters.c.kind == self._kind).with_for_update()
        )

    async def find(self, connection: AsyncConnection, key: str) -> PolicyRow | None:
        """The row, also one that was removed."""
        row = (await connection.execute(self._rows().where(self._key == key))).one_or_none()
        return row_of(row) if row is not None else None

    async def find_many(self, connection: AsyncConnection, keys: Collection[str]) -> Mapping[str, PolicyRow]:
        """Those of the rows that there are, by key, also those that were removed."""
        rows = await connection.execute(self._rows().where(self._key == func.any(list(keys))))
        return {row.key: row_of(row) for row in rows}

    async def present_keys(self, connection: AsyncConnection) -> set[str]:
        """The keys of all rows that were not removed."""
        return set(await connection.scalars(select(self._key).where(~self._table.c.is_deleted)))

    async def page(self, connection: AsyncConnection, *, after: str | None, limit: int) -> Sequence[PolicyRow]:
        """Up to `limit` rows that were not removed, in order of their keys, those after the key `after`."""
        statement = self._rows().where(~self._table.c.is_deleted).order_by(self._key).limit(limit)
        if after is not None:
            statement = statement.where(self._key > after)
        return [row_of(row) for row in await connection.execute(statement)]

    async def write(
        self, connection: AsyncConnection, key: str, content: Mapping[str, Any], *, removed: bool, by: UUID | None
    ) -> PolicyRow:
        """Writes the row under the next revision, keeps the version, and tells every process once it is committed."""
        counted = update(revision_counters).where(revision_counters.c.kind == self._kind)
        counted = counted.values(revision=revision_counters.c.revision + 1).returning(revision_counters.c.revision)
        revision: int = (await connection.execute(counted)).scalar_one()
        values = {
            "content": dict(content),
            "revision": revision,
            "is_deleted": removed,
            "changed_at": func.clock_timestamp(),
        }
        statement = insert(self._table).values({self._key.name: key, **values})
        statement = statement.on_conflict_do_update(index_elements=[self._key], set_=values)
        changed_at = (await connection.execute(statement.returning(self._table.c.changed_at))).scalar_one()
        await connection.execute(
            policy_versions.insert().values(
                subject=self._subject,
                key=key,
                revision=revision,
                content=None if removed else dict(content),
                changed_by=by,
                changed_at=changed_at,
            )
        )
        await announce_change(connection)
        written = await self.find(connection, key)
        assert written is not None, "it was just written"
        return written

    async def versions(
        self, connection: AsyncConnection, key: str, *, before: int | None, limit: int
    ) -> Sequence[PolicyVersion]:
        """Up to `limit` versions with revisions below `before`, the newest first."""
        statement = self._versions(key).order_by(versions.revision.desc()).limit(limit)
        if before is not None:
            statement = statement.where(versions.revision < before)
        return [version_of(row) for row in await connection.execute(statement)]

    async def version(self, connection: AsyncConnection, key: str, revision: int) -> PolicyVersion | None:
        """What the row held after that change."""
        row = (await connection.execute(self._versions(key).where(versions.revision == revision))).one_or_none()
        return version_of(row) if row is not None else None

    def _rows(self) -> Select[*tuple[Any, ...]]:
        """Rows with who changed them last, as the version of the same revision says."""
        table = self._table
        same = and_(versions.subject == self._subject, versions.key == self._key, versions.revision == table.c.revision)
        joined = table.outerjoin(policy_versions, same).outerjoin(users, users.c.id == versions.changed_by)
        return select(
            self._key.label("key"),
            table.c.content,
            table.c.is_deleted,
            table.c.revision,
            table.c.changed_at,
            versions.changed_by,
            users.c.username,
        ).select_from(joined)

    def _versions(self, key: str) -> Select[*tuple[Any, ...]]:
        joined = policy_versions.outerjoin(users, users.c.id == versions.changed_by)
        columns = (versions.content, versions.revision, versions.changed_at, versions.changed_by, users.c.username)
        return select(*columns).select_from(joined).where(versions.subject == self._subject, versions.key == key)


class PostgresProfileTypeUse:
    """Which users have a profile type, in PostgreSQL."""

    async def hold_and_count_users(self, connection: AsyncConnection, name: str) -> int:
        """How many users have it, also inactive ones; nobody new can be given it until the transaction has ended.

        A user's foreign key must lock the row that is locked here.
        """
        table = tables.profile_types
        await connection.execute(select(table.c.name).where(table.c.name == name).with_for_update())
        count = select(func.count()).select_from(users).where(users.c.profile_type == name)
        number: int = (await connection.execute(count)).scalar_one()
        return number


def profile_type_rows() -> PostgresPolicyRows:
    """The store of profile types."""
    return PostgresPolicyRows(tables.profile_types, subject="profile_type", kind=PROFILE_TYPES_KIND)


def setting_rows() -> PostgresPolicyRows:
    """The store of settings that were set or put back."""
    return PostgresPolicyRows(tables.settings, subject="setting", kind=SETTINGS_KIND)


def index_rows() -> PostgresPolicyRows:
    """The store of allowed indices."""
    return PostgresPolicyRows(tables.indices, subject="index", kind=SETTINGS_KIND)


def row_of(row: Row[*tuple[Any, ...]]) -> PolicyRow:
    """The row of the policy that a row of the join holds."""
    return PolicyRow(row.key, row.content, row.is_deleted, change_of(row))


def version_of(row: Row[*tuple[Any, ...]]) -> PolicyVersion:
    """The version that a row holds."""
    return PolicyVersion(change_of(row), row.content)


def change_of(row: Row[*tuple[Any, ...]]) -> Change:
    """Who made a row so, and when."""
    return Change(row.revision, row.changed_at, row.changed_by, row.username or "")
