"""What an upgrade makes of rows that an earlier release wrote."""

from __future__ import annotations

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text

from common.database.migrations import migrate
from common.database.transaction import sqlalchemy_url

SENT = """
INSERT INTO export_batches (id, batch_type, filename, file_path, file_size_bytes, status, epoch, sequence, first_frame,
    digest)
VALUES ('00000000-0000-0000-0000-000000000001', 'responses', 'one', '/one', 1234, 'completed', 7, 1, '', sha256(''))
"""
NUMBERS = """
INSERT INTO stream_bundles (direction, epoch, sequence, digest, disposition, kind, batch_id, recorded_at)
SELECT direction, 7, 1, sha256(''), disposition, 'responses', '00000000-0000-0000-0000-000000000001', now()
FROM (VALUES ('outgoing', 'sealed'), ('incoming', 'applied')) made (direction, disposition)
"""


@pytest.mark.parametrize("network", ["request_svc", "response_svc"])
def test_what_was_in_flight_before_the_upgrade_has_its_size_after_it(database_url: str, network: str) -> None:
    location = f"{network}:migrations"
    engine = create_engine(sqlalchemy_url(database_url))
    with engine.begin() as connection:
        earlier = Config()
        earlier.set_main_option("script_location", location)
        earlier.attributes["connection"] = connection
        command.upgrade(earlier, "0002")
        connection.execute(text(SENT))
        connection.execute(text(NUMBERS))
    migrate(database_url, location)
    with engine.begin() as connection:
        rows = connection.execute(text("SELECT direction, size_bytes FROM stream_bundles"))
        sizes = {row.direction: row.size_bytes for row in rows}
    engine.dispose()
    assert sizes == {"outgoing": 1234, "incoming": None}


@pytest.mark.parametrize("network", ["request_svc", "response_svc"])
def test_refusals_that_were_written_before_the_upgrade_count_as_such_after_it(database_url: str, network: str) -> None:
    location = f"{network}:migrations"
    engine = create_engine(sqlalchemy_url(database_url))
    with engine.begin() as connection:
        earlier = Config()
        earlier.set_main_option("script_location", location)
        earlier.attributes["connection"] = connection
        command.upgrade(earlier, "0003")
        actions = "('auth.signed_in'), ('auth.sign_in_refused'), ('auth.refresh_refused')"
        connection.execute(text(f"INSERT INTO audit_logs (action) VALUES {actions}"))  # noqa: S608 - of our own.
    migrate(database_url, location)
    with engine.begin() as connection:
        outcomes = list(connection.scalars(text("SELECT outcome FROM audit_logs ORDER BY id")))
    engine.dispose()
    assert outcomes == ["ok", "refused", "refused"]
