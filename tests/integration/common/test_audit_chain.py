"""Segments: what is sealed is what was written, in order, once; and whatever is changed afterwards is found."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from common.audit.export import SegmentRange, TimeRange, export_audit
from common.audit.record import AuditEntry, record
from common.audit.seal import forget_audit, seal_audit
from common.audit.segments import PAGE_ROWS
from common.audit.trail import AuditTrail
from common.audit.verify import verify_audit
from tests.integration.common.trail import HOSTILE, age, look, reach_past, roll_back, run, trail, write

if TYPE_CHECKING:
    from common.database.transaction import Database

CHECKER = Path(__file__).parents[3] / "docs" / "examples" / "check_audit.py"


async def exported(database: Database, wanted: TimeRange | SegmentRange | None = None) -> bytes:
    return b"".join([piece async for piece in export_audit(database, wanted or SegmentRange(1))])


async def checked(content: bytes, folder: Path) -> tuple[bool, str]:
    """What the documented checker says of an exported file."""
    file = folder / "audit.jsonl"
    file.write_bytes(content)
    command = [sys.executable, str(CHECKER), str(file)]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stdout + done.stderr


async def segments(database: Database) -> list[tuple[int, int, int, int]]:
    rows = await look(database, "SELECT number, first_id, last_id, rows FROM audit_segments ORDER BY 1")
    return [tuple(row) for row in rows]


async def test_a_digest_covers_the_one_before_and_the_exported_lines(database: Database) -> None:
    await write(database, "one", "two", metadata={"n": 1.50, "text": HOSTILE})
    await seal_audit(database)
    await write(database, "three")
    await seal_audit(database)
    lines = (await exported(database, TimeRange())).splitlines(keepends=True)
    assert lines[-1] == b'{"end":{"rows":3}}\n'
    first = hashlib.sha256(bytes(32) + lines[0] + lines[1]).digest()
    second = hashlib.sha256(first + lines[2]).digest()
    rows = await look(database, "SELECT previous_digest, digest FROM audit_segments ORDER BY number")
    assert [tuple(row) for row in rows] == [(bytes(32), first), (first, second)]


async def test_a_segment_has_a_limit_and_pages_do_not_show(database: Database) -> None:
    count = 2 * PAGE_ROWS + 3
    await write(database, *["x"] * count)
    assert await seal_audit(database, segment_rows=PAGE_ROWS + 1) == {"segments": 3, "audit_rows_sealed": count}
    assert [rows for *_, rows in await segments(database)] == [PAGE_ROWS + 1, PAGE_ROWS + 1, 1]
    seen = await verify_audit(database)
    assert (seen.segments, seen.rows, seen.next_segment, seen.mismatch) == (3, count, 0, "")


async def test_nothing_new_makes_no_segment(database: Database) -> None:
    assert await seal_audit(database) == {"segments": 0, "audit_rows_sealed": 0}
    await write(database, "one")
    await seal_audit(database)
    assert await seal_audit(database) == {"segments": 0, "audit_rows_sealed": 0}
    assert (await verify_audit(database)).segments == 1


async def test_nothing_is_sealed_past_a_row_that_is_not_committed_yet(database: Database) -> None:
    async with database.transaction() as slow:
        await record(slow.connection, AuditEntry("slow"))
        async with database.transaction() as quick:
            # Its id is drawn by a statement of its own, since the slow one's lock does not hinder it.
            await record(quick.connection, AuditEntry("quick"))
        assert await seal_audit(database) == {"segments": 0, "audit_rows_sealed": 0}
    assert await seal_audit(database) == {"segments": 1, "audit_rows_sealed": 2}
    assert [row.action for row in await trail(database)] == ["slow", "quick"]


async def test_ids_of_rows_that_were_rolled_back_are_no_gap_in_the_chain(database: Database) -> None:
    await roll_back(database)
    await write(database, "one")
    await seal_audit(database)
    assert await segments(database) == [(1, 2, 2, 1)]
    assert (await verify_audit(database)).mismatch == ""


async def test_sealers_and_writers_at_once_make_one_chain(database: Database) -> None:
    async def keep_writing() -> None:
        for number in range(30):
            await write(database, f"n{number}")

    await asyncio.gather(*(keep_writing() for _ in range(3)), *(seal_audit(database, segment_rows=7) for _ in range(6)))
    while (await seal_audit(database, segment_rows=7))["segments"]:
        pass
    sealed = await segments(database)
    assert sum(rows for *_, rows in sealed) == 90
    assert [number for number, *_ in sealed] == list(range(1, len(sealed) + 1))
    assert (await verify_audit(database)).mismatch == ""


async def test_a_sealer_that_dies_leaves_nothing_half(database: Database) -> None:
    await write(database, *["x"] * 500)
    for moment in (0.0, 0.01, 0.02, 0.04):
        sealing = asyncio.create_task(seal_audit(database, segment_rows=100))
        await asyncio.wait({sealing}, timeout=moment)
        sealing.cancel()
        await asyncio.wait({sealing})
    await seal_audit(database, segment_rows=100)
    seen = await verify_audit(database)
    assert (seen.rows, seen.mismatch, seen.next_segment) == (500, "", 0)


@pytest.mark.parametrize(
    ("change", "segment", "cause"),
    [
        ("UPDATE audit_logs SET metadata = '{\"n\": 2}' WHERE id = 3", 2, "a row differs"),
        ("UPDATE audit_logs SET created_at = created_at + interval '1 microsecond' WHERE id = 4", 2, "a row differs"),
        ("UPDATE audit_logs SET outcome = 'refused' WHERE id = 1", 1, "a row differs"),
        ("DELETE FROM audit_logs WHERE id = 5", 3, "sealed with 2 rows and has 1"),
        ("DELETE FROM audit_logs WHERE id IN (3, 4)", 2, "sealed with 2 rows and has 0"),
        ("INSERT INTO audit_logs (id, action) VALUES (-1, 'x')", 1, "sealed with 2 rows and has 3"),
        ("UPDATE audit_segments SET digest = sha256('x') WHERE number = 2", 2, "a row differs"),
        ("UPDATE audit_segments SET previous_digest = sha256('x') WHERE number = 2", 2, "does not continue segment 1"),
        ("DELETE FROM audit_segments WHERE number = 2", 2, "is missing"),
        ("UPDATE audit_segments SET last_id = 3 WHERE number = 2", 2, "sealed with 2 rows and has 1"),
    ],
)
async def test_what_is_changed_after_sealing_is_found(
    database: Database, change: str, segment: int, cause: str
) -> None:
    await write(database, *"abcdef", metadata={"n": 1})
    await seal_audit(database, segment_rows=2)
    await reach_past(database, change)
    seen = await verify_audit(database)
    assert seen.mismatch_segment == segment
    assert cause in seen.mismatch
    assert seen.next_segment == 0
    assert seen.segments == segment - 1, "those before it are in order"


async def test_a_row_that_is_slipped_in_between_is_found(database: Database) -> None:
    await write(database, "one")
    await roll_back(database)
    await seal_audit(database)
    await write(database, "three")
    await seal_audit(database)
    await run(database, "INSERT INTO audit_logs (id, action) VALUES (2, 'forged')")
    seen = await verify_audit(database)
    assert (seen.mismatch_segment, seen.mismatch) == (2, "it was sealed with 1 rows and has 2")


async def test_verifying_goes_on_where_it_stopped(database: Database) -> None:
    await write(database, *"abcdefg")
    await seal_audit(database, segment_rows=2)
    first = await verify_audit(database, most_rows=3)
    assert (first.segments, first.rows, first.next_segment) == (2, 4, 3)
    rest = await verify_audit(database, first.next_segment)
    assert (rest.segments, rest.rows, rest.next_segment) == (2, 3, 0)
    assert (await verify_audit(database, 99)).mismatch == ""


async def test_the_chain_can_be_followed_over_what_was_forgotten(database: Database, tmp_path: Path) -> None:
    await write(database, *"abcd")
    await seal_audit(database, segment_rows=2)
    await age(database, 400)
    await write(database, "e")
    trail_of_a_year = AuditTrail(database, 365)
    done = await trail_of_a_year.forget()
    assert done == {"segments": 1, "audit_rows_sealed": 1, "audit_rows_forgotten": 4}
    seen = await verify_audit(database)
    assert (seen.segments, seen.forgotten, seen.rows, seen.mismatch) == (3, 2, 1, "")
    assert await checked(await exported(database), tmp_path) == (True, f"right: {await summary(database, 1)}\n")
    await reach_past(database, "UPDATE audit_segments SET digest = sha256('x') WHERE number = 1")
    assert (await verify_audit(database)).mismatch_segment == 2


async def summary(database: Database, rows: int) -> str:
    [(number, digest)] = await look(database, "SELECT number, digest FROM audit_segments ORDER BY 1 DESC LIMIT 1")
    return f"segments 1 to {number}, {rows} rows; the last digest is {digest.hex()}"


async def test_an_exported_file_is_checked_by_anyone(database: Database, tmp_path: Path) -> None:
    assert (await checked(await exported(database), tmp_path))[1] == "right: nothing is sealed yet\n"
    await write(database, *["x"] * (PAGE_ROWS + 5), user_agent=HOSTILE, metadata={"username": HOSTILE})
    await seal_audit(database, segment_rows=PAGE_ROWS + 1)
    await write(database, "not sealed")
    content = await exported(database)
    assert await checked(content, tmp_path) == (True, f"right: {await summary(database, PAGE_ROWS + 5)}\n")
    part = await exported(database, SegmentRange(2, 2))
    assert (await checked(part, tmp_path))[1].startswith("right: segments 2 to 2, 4 rows;")
    lines = content.splitlines(keepends=True)
    for damaged, cause in (
        (content[:-1], "a line is cut"),
        (b"".join(lines[:-1]), "it has no end"),
        (content.replace(b'"action":"x"', b'"action":"y"', 1), "a row of segment 1 is not what was sealed"),
        (b"".join(lines[:5] + lines[6:]), "segment 1 lacks 1 of its rows"),
        (b"".join([*lines[:3], lines[4], lines[3], *lines[5:]]), "a row of segment 1 is not what was sealed"),
        (b"".join(lines[PAGE_ROWS + 2 :]), "the end counts other rows"),
        (content + lines[1], "comes behind the end"),
        (await exported(database, TimeRange()), "belongs to no segment"),
    ):
        assert cause in (await checked(damaged, tmp_path))[1]


async def test_an_export_is_in_ascii_one_line_a_row_whatever_a_stranger_wrote(database: Database) -> None:
    await write(database, "one", user_agent=HOSTILE, resource_id="سارا", metadata={HOSTILE: HOSTILE})
    content = await exported(database, TimeRange())
    assert len(content.split(b"\n")) == 3
    assert all(0x20 <= byte < 0x7F or byte == 0x0A for byte in content)


async def test_an_export_by_time_has_what_lies_between(database: Database) -> None:
    await write(database, *["before"] * (PAGE_ROWS + 1))
    [(since,)] = await look(database, "SELECT clock_timestamp()")
    await write(database, *["within"] * (2 * PAGE_ROWS))
    [(until,)] = await look(database, "SELECT clock_timestamp()")
    await write(database, "after")
    content = await exported(database, TimeRange(since, until))
    assert content.count(b'"action":"within"') == len(content.splitlines()) - 1 == 2 * PAGE_ROWS
    assert (await exported(database, TimeRange(after=until))).count(b'"action":"after"') == 1
    assert (await exported(database, TimeRange(before=since))).count(b'"action":"before"') == PAGE_ROWS + 1


async def test_a_long_export_comes_in_pieces(database: Database) -> None:
    await write(database, *["x"] * 60, metadata={"text": "t" * 10_000})
    pieces = [piece async for piece in export_audit(database, TimeRange())]
    assert len(pieces) > 2
    assert max(map(len, pieces)) < 300_000


async def test_forgetting_beside_itself_forgets_once(database: Database) -> None:
    await write(database, *"abcdef")
    await seal_audit(database, segment_rows=2)
    await age(database, 400)
    done = await asyncio.gather(*(forget_audit(database, 365) for _ in range(4)))
    assert sum(one["audit_rows_forgotten"] for one in done) == 6
