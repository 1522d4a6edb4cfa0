"""What a detailed look at this network's health says of the copy of the users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from common.health.checks import HealthError

if TYPE_CHECKING:
    from common.auth.replica_age import ReplicaAge


@dataclass(frozen=True, slots=True)
class ReplicaAgeCheck:
    """The copy of the users is younger than what is to be warned of. The service works without that."""

    replica_age: ReplicaAge
    name: str = "replica_age"
    needed: bool = False

    async def __call__(self) -> str:
        """How old the copy is."""
        age = self.replica_age.age()
        if age is None:
            raise HealthError("No users bundle was imported yet, so nobody can sign in. Carry one over.")
        hours = age.total_seconds() / 3600
        if self.replica_age.warning() is not None:
            raise HealthError(
                f"The users are as of {hours:.0f} hours ago: what was changed since does not count here. Carry a users "
                "bundle from the Response Network with `transfer take` and `transfer deliver`."
            )
        return f"the users are as of {hours:.1f} hours ago"
