"""Whether the Request Network's replicated tables equal their masters, once everything was carried."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sandbox.rehearsal.side import Side

USERS: Final = (
    "SELECT id, username, email, hashed_password, role, profile_type, priority, rate_limit_per_minute, "
    "rate_limit_per_hour, rate_limit_per_day, ARRAY(SELECT unnest(inherits) ORDER BY 1) AS inherits, "
    "session_version, is_active, revision FROM users {} ORDER BY id"
)
# What a removed row held last is not sent.
POLICY: Final = (
    "SELECT {} AS key, CASE WHEN NOT is_deleted THEN content END AS content, is_deleted, revision FROM {} {} ORDER BY 1"
)
KEYS: Final = {"profile_types": "name", "settings": "key", "indices": "name"}
KINDS: Final = ("profile_types", "settings", "users")
OUTSIDE: Final = (
    "SELECT 'user ' || username AS what FROM users WHERE missing_since IS NOT NULL AND is_active "
    "UNION ALL SELECT 'profile type ' || name FROM profile_types WHERE row_digest IS NULL AND NOT is_deleted "
    "UNION ALL SELECT 'setting ' || key FROM settings WHERE row_digest IS NULL AND NOT is_deleted "
    "UNION ALL SELECT 'index ' || name FROM indices WHERE row_digest IS NULL AND NOT is_deleted"
)


async def replica_violations(request: Side, response: Side) -> list[str]:
    """Every difference between the tables, and what counts on the replica alone."""
    violations = await _differences(
        "users", USERS.format(""), USERS.format("WHERE missing_since IS NULL"), request, response
    )
    for table, key in KEYS.items():
        master, replica = (POLICY.format(key, table, where) for where in ("", "WHERE row_digest IS NOT NULL"))
        violations += await _differences(table, master, replica, request, response)
    in_step = {row.kind: row.in_step for row in await request.rows("SELECT kind, in_step FROM replica_states")}
    violations += [f"the replica of {kind} is not in step" for kind in KINDS if not in_step.get(kind)]
    violations += [f"{row.what} counts on the replica only" for row in await request.rows(OUTSIDE)]
    return violations


async def _differences(table: str, of_master: str, of_replica: str, request: Side, response: Side) -> list[str]:
    master = [tuple(row) for row in await response.rows(of_master)]
    replica = [tuple(row) for row in await request.rows(of_replica)]
    if master == replica:
        return []
    missing = [row for row in master if row not in replica]
    other = [row for row in replica if row not in master]
    return [f"{table} differ: on the master only {missing}; on the replica only {other}"]
