"""Whose database it is: each network's migrations begin alike, and the other network's must not be run on top."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

_TELLING_TABLES: Final[Mapping[str, str]] = {"request": "replica_states", "response": "incoming_requests"}
"""By network, a table that only its database has, since its second revision."""


class WrongNetworkError(Exception):
    """The database belongs to the other network. The text says so and what to do."""


def network_of(connection: Connection) -> str | None:
    """`request` or `response`, by the tables that are there; None where neither has been migrated yet."""
    for network, table in _TELLING_TABLES.items():
        if connection.scalar(select(func.to_regclass(table))) is not None:
            return network
    return None


def require_network(connection: Connection, network: str) -> None:
    """Raises WrongNetworkError if the database is the other network's."""
    found = network_of(connection)
    if found not in {None, network}:
        raise WrongNetworkError(told_wrong(found or ""))


def told_wrong(found: str) -> str:
    """Cause and next step where the database of `found` is named by the other network."""
    return (
        f"The database belongs to the {found.title()} Network. Name this network's own in DATABASE_URL and "
        "MIGRATION_DATABASE_URL."
    )
