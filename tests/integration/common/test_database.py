"""The way to the database: what holds for every connection, however the server is set up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
from sqlalchemy import DateTime, bindparam, text

from common.database.transaction import Database

LAST_MOMENT = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


async def test_times_come_in_utc_from_a_server_that_lives_east_of_it(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET timezone = ''Asia/Tehran''', current_database()); END$$"
        )
    database = Database(database_url)
    try:
        async with database.transaction() as transaction:
            query = text("SELECT CAST(:moment AS timestamptz)").bindparams(
                bindparam("moment", type_=DateTime(timezone=True))
            )
            moment = await transaction.connection.scalar(query, {"moment": LAST_MOMENT})
    finally:
        await database.close()
    assert moment == LAST_MOMENT
    assert moment.utcoffset() == timedelta(0)
