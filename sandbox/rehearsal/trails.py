"""Whether both audit chains are whole and each is what the other network saw, or said to be otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from common.audit.verify import verify_audit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.rehearsal.invariants import Findings, Window
    from sandbox.rehearsal.side import Side

REPORTED: Final = (
    "SELECT action, count(*) AS times FROM audit_logs "
    "WHERE action IN ('audit.chain_mismatch', 'audit.peer_chain_mismatch') GROUP BY 1 ORDER BY 1"
)
SEEN: Final = (
    "SELECT number, digest FROM audit_witnesses WHERE chain = 'peer' AND agrees ORDER BY epoch, sequence, number"
)
SEALED: Final = "SELECT number, digest FROM audit_segments"


async def trail_violations(sides: Mapping[str, Side], windows: list[Window], findings: Findings) -> list[str]:
    """A chain that does not verify; a mismatch without a restore, and one that a restore left and nobody reported."""
    violations = []
    reported = 0
    for side in sides.values():
        verified = await verify_audit(side.app.database)
        if verified.mismatch or not verified.segments:
            violations.append(f"the audit chain of {side.name}: {verified.mismatch or 'nothing was sealed'}")
        for row in await side.rows(REPORTED):
            findings.counts[row.action] = findings.counts.get(row.action, 0) + row.times
            reported += row.times
            if not windows:
                violations.append(f"{side.name} has {row.times} {row.action}, and no database was set back")
    for side, peer in ((sides["request"], sides["response"]), (sides["response"], sides["request"])):
        sealed = {row.number: bytes(row.digest) for row in await side.rows(SEALED)}
        seen = {row.number: bytes(row.digest) for row in await peer.rows(SEEN)}
        if not seen:
            violations.append(f"{peer.name} never saw the audit chain of {side.name}")
        otherwise = [number for number, digest in seen.items() if sealed.get(number) != digest]
        if otherwise and not windows:
            violations.append(
                f"{peer.name} saw segments {otherwise} of {side.name} otherwise, and nothing was set back"
            )
        # A chain that had grown beyond them before it was seen again is found out by draws, which may take months.
        grown = [number for number in otherwise if _is_outgrown(number, list(seen))]
        if len(grown) < len(otherwise) and not reported:
            violations.append(f"{peer.name} saw segments {otherwise} of {side.name} otherwise, and nobody was told")
    return violations


def _is_outgrown(number: int, seen: list[int]) -> bool:
    """Whether every segment that was seen later is a later one, and there is one."""
    later = seen[seen.index(number) + 1 :]
    return bool(later) and min(later) > number
