"""Parameters that were made ready beforehand arrive as those that psycopg makes ready itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from common.database.ready import ready, ready_uuids

if TYPE_CHECKING:
    from common.database.transaction import Database


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("uuid", uuid4()),
        ("text[]", ["sara", "", "سارا", "a,b\n{}\"'\\"]),
        ("int4[]", [0, 1, -5, 2**31 - 1]),
        ("int8[]", [1, 2**40]),
        ("bool[]", [True, False]),
        ("bytea[]", [b"", b"\x00\xff"]),
    ],
)
async def test_a_ready_value_is_the_value(database: Database, kind: str, value: Any) -> None:
    async with database.engine.connect() as connection:
        rows = await connection.exec_driver_sql(f"SELECT %b::{kind}, %b::{kind}", (*ready([value]), value))
        first, second = rows.one()
    assert first == second == value


async def test_ids_become_an_array_of_uuids(database: Database) -> None:
    ids = [uuid4() for _ in range(3)]
    async with database.engine.connect() as connection:
        rows = await connection.exec_driver_sql("SELECT unnest(%b::uuid[])", (ready_uuids([one.bytes for one in ids]),))
        assert list(rows.scalars()) == ids


async def test_an_id_of_another_length_is_refused_by_the_database(database: Database) -> None:
    async with database.engine.connect() as connection:
        with pytest.raises(Exception, match=r"array|uuid|insufficient data"):
            await connection.exec_driver_sql("SELECT %b::uuid[]", (ready_uuids([UUID(int=1).bytes[:15]]),))
