"""Databases as a careful operator makes them: tables of one role, services that run under another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from common.database.grants import ServiceRole
from common.database.migrations import migrate
from request_svc.adapters.tables import REPLICATED_TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.postgres import EmbeddedPostgres

OWNER: Final = "airlock_owner"
SERVICE: Final = "airlock_service"
SERVICE_ROLES: Final[Mapping[str, ServiceRole]] = {
    "request": ServiceRole(SERVICE, REPLICATED_TABLES),
    "response": ServiceRole(SERVICE),
}
"""By network, what the services' role may do."""


def migrated_database(postgres: EmbeddedPostgres, network: str, name: str) -> str:
    """Makes a database of that network at the newest revision; returns the URL under which its services run."""
    for role in (OWNER, SERVICE):
        postgres.create_role(role)
    postgres.create_database(name, owner=OWNER)
    migrate(
        postgres.url(name, OWNER), f"{network}_svc:migrations", network=network, service_role=SERVICE_ROLES[network]
    )
    return postgres.url(name, SERVICE)
