"""The audit trails of both networks: what somebody with every right on one database changes, the other remembers."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text

from common.audit.export import SegmentRange, export_audit
from common.audit.verify import verify_audit

if TYPE_CHECKING:
    from tests.two_networks import Side, TwoNetworks

CHECK = Path(__file__).parents[2] / "docs" / "examples" / "check_audit.py"
MISMATCHES = "SELECT count(*) FROM audit_logs WHERE action = 'audit.chain_mismatch'"
PEER_MISMATCHES = "SELECT count(*) FROM audit_logs WHERE action = 'audit.peer_chain_mismatch'"
# Triggers are switched off, a sealed row is changed, and its segment is sealed anew as if nothing had been.
REWRITE = (
    "SET LOCAL session_replication_role = replica",
    "UPDATE audit_logs SET ip_address = '198.51.100.1' WHERE id = (SELECT min(id) FROM audit_logs)",
)
FORGET_CHAIN = "DELETE FROM audit_segments"


async def round_trip(networks: TwoNetworks) -> None:
    """Both seal and tell each other."""
    for side, other in ((networks.response, networks.request), (networks.request, networks.response)):
        await side.app.trail.seal()
        await side.app.exchange.export_status()
        networks.carry(side, other)
        await other.import_()


async def checked(side: Side, folder: Path) -> str:
    """What the program for auditors says of an exported file."""
    file = folder / "trail.jsonl"
    file.write_bytes(b"".join([piece async for piece in export_audit(side.app.database, SegmentRange(1))]))
    return await asyncio.to_thread(said_of, file)


def said_of(file: Path) -> str:
    command = [sys.executable, str(CHECK), str(file)]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return run.stdout


async def test_a_sealed_row_that_a_superuser_changes_is_found_by_both_networks(
    networks: TwoNetworks, tmp_path: Path
) -> None:
    sara = await networks.bring_user("sara")
    await sara.submit()
    for _ in range(2):
        await round_trip(networks)
    assert (await checked(networks.response, tmp_path)).startswith("right")
    async with networks.response.as_superuser() as connection:
        for statement in REWRITE:
            await connection.execute(text(statement))
    assert "a row differs" in (await verify_audit(networks.response.app.database)).mismatch
    assert "not what was sealed" in await checked(networks.response, tmp_path)
    # He seals everything anew, so that nothing shows in this network any more.
    async with networks.response.as_superuser() as connection:
        for statement in (REWRITE[0], FORGET_CHAIN):
            await connection.execute(text(statement))
    await networks.response.app.trail.seal()
    assert (await verify_audit(networks.response.app.database)).mismatch == ""
    asked = await sara.submit()
    await networks.settle()
    assert await sara.status(asked) == "completed", "nothing stands still for it"
    await round_trip(networks)
    await round_trip(networks)
    assert await networks.response.value(MISMATCHES) + await networks.request.value(PEER_MISMATCHES) > 0
