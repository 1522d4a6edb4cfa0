"""What rehearsals share: a PostgreSQL and a Valkey without durability, migrated databases to copy, a small index."""

from __future__ import annotations

import itertools
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.dataset import MAPPINGS, documents
from sandbox.migrated import migrated_database
from sandbox.postgres import EmbeddedPostgres
from sandbox.valkey import EmbeddedValkey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = ("request", "response")
CITIES = 300


@dataclass(frozen=True, slots=True)
class Servers:
    """Started servers. `databases` counts names, so that two rehearsals never share one."""

    postgres: EmbeddedPostgres
    valkey: EmbeddedValkey
    search_folder: Path
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def new_database(self, network: str) -> str:
        """The name of a fresh, migrated database of that network."""
        name = f"rehearsed_{next(self.numbers)}_{network}"
        self.postgres.create_database(name, template=template_name(network))
        return name


def template_name(network: str) -> str:
    """The database that is copied for each rehearsal."""
    return f"rehearsal_template_{network}"


@contextmanager
def started_servers(folder: Path) -> Iterator[Servers]:
    """Everything a process needs for any number of rehearsals. `folder` must be one that every user may enter."""
    with ExitStack() as closing:
        postgres = closing.enter_context(EmbeddedPostgres(folder / "postgres", durable=False))
        valkey = closing.enter_context(EmbeddedValkey(folder / "valkey"))
        yield prepared(postgres, valkey, folder / "search")


def prepared(postgres: EmbeddedPostgres, valkey: EmbeddedValkey, search_folder: Path) -> Servers:
    """Running servers with the databases to copy, and the index."""
    for network in NAMES:
        migrated_database(postgres, network, template_name(network))
    _load(search_folder)
    return Servers(postgres, valkey, search_folder)


def _load(folder: Path) -> None:
    """Cities of one country, and an index that nobody may ask."""
    from response_svc.search.embedded import load_index

    iranian = [city for city in documents("cities") if city["country_code"] == "IR"]
    load_index(folder, "cities", MAPPINGS["cities"], iranian[:CITIES])
    load_index(folder, "personnel", MAPPINGS["cities"], iranian[:1])
