"""Claims: whose turn it is, by the database's own function, each claim with its user in one round trip."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from response_svc.adapters.tables import users
from response_svc.domain.claim import Claim
from response_svc.domain.incoming_request import ClaimedRequest
from response_svc.domain.user import Role, User

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from common.database.transaction import Database

WORKER_NAME_LIMIT: Final = 100
PRIORITIES: Final = 10
_CLAIMED: Final = (
    "row_id", "request_id", "lease", "user_id", "index_name", "search", "executions", "accept_partial", "trace_id",
    "not_after",
)  # fmt: skip
_USER: Final = tuple(users.c.keys())
# What the function does is in `migrations.claim_function`.
_CLAIM: Final = f"""
SELECT {", ".join(f"c.{name}" for name in (*_CLAIMED, "priority"))}, {", ".join(f"u.{name}" for name in _USER)}
FROM claim_requests(%(worker)s, %(duration)b, %(served)b::uuid[], %(wanted)b::int4) c
LEFT JOIN users u ON u.id = c.user_id
"""  # noqa: S608 - the names are those of the tables; every value is a parameter.


class PostgresClaims:
    """`ClaimStore` on PostgreSQL.

    The users of a priority stand in a circle, in the order of their ids; each process goes round it by itself, from a
    place of its own, so that no two need to agree on anything.
    """

    def __init__(self, database: Database) -> None:
        self._direct = database.direct()
        self._served = [uuid4() for _ in range(PRIORITIES)]

    async def claim(self, *, worker: str, lease: timedelta, wanted: int) -> Sequence[Claim]:
        """See the port."""
        values = {"worker": worker[:WORKER_NAME_LIMIT], "duration": lease, "served": self._served, "wanted": wanted}
        claims = []
        for row in await self._direct.fetch(_CLAIM, values):
            request, (priority, *user) = ClaimedRequest(*row[: len(_CLAIMED)]), row[len(_CLAIMED) :]
            self._served[priority - 1] = request.user_id
            claims.append(Claim(request, _user_of(user)))
        return claims


def _user_of(columns: Sequence[Any]) -> User | None:
    values = dict(zip(_USER, columns, strict=True))
    if values["id"] is None:
        return None
    return User(**{**values, "role": Role(values["role"]), "inherits": tuple(values["inherits"])})
