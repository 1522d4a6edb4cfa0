"""Whether those whom the other network shut out are out here: none of their sessions and keys lives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from common.errors import AirlockError

if TYPE_CHECKING:
    from sandbox.rehearsal.invariants import Window
    from sandbox.rehearsal.people import People
    from sandbox.rehearsal.side import Side

LIVING: Final = (
    "SELECT s.id, s.user_id, s.signed_in_at, u.username, u.is_active FROM sessions s JOIN users u ON u.id = s.user_id "
    "WHERE NOT EXISTS (SELECT FROM session_endings e WHERE e.ends_session "
    "AND (e.session_id = s.id OR e.user_id = s.user_id AND e.ended_at >= s.signed_in_at)) ORDER BY s.id"
)


async def entry_violations(request: Side, people: People, windows: list[Window]) -> list[str]:
    """Sessions and keys that live although they must not, and keys that do not although they must."""
    # What the master forgot again is not to be carried out.
    told = [(who, at) for who, at in people.endings if not any(w.side == "response" and w.holds(at) for w in windows)]
    violations = []
    for row in await request.rows(LIVING):
        if not row.is_active:
            violations.append(f"{row.username} is shut out and has a living session")
        elif any(who == row.user_id and at >= row.signed_in_at for who, at in told):
            violations.append(f"the sessions of {row.username} were ended, and one of them lives")
    active = {row.id for row in await request.rows("SELECT id FROM users WHERE is_active")}
    forgetful = any(window.side == "request" for window in windows)
    for user_id, text in people.keys:
        lives = await _is_good(request, text)
        if lives and user_id not in active:
            violations.append(f"a key of {user_id} lives, who is shut out")
        elif not lives and user_id in active and not forgetful:
            violations.append(f"a key of {user_id} is dead, and nobody revoked it")
    return violations


async def _is_good(request: Side, text: str) -> bool:
    try:
        await request.app.auth.identify(text, None)
    except AirlockError:
        return False
    return True
