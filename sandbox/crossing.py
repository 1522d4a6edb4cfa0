"""One way across the gap: export on demand, `transfer take`, `transfer deliver`, import on demand, each timed."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.errors import ProcessError
from sandbox.processes import run_program

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from sandbox.asking import Person
    from sandbox.clients import RestClient
    from sandbox.network import Network

FIRST_KINDS = ("users", "profile_types", "settings")
"""What the Request Network needs before anybody can ask there; the indices travel with the settings."""
SETTLE_SECONDS = 60
PAUSE_SECONDS = 0.2
UNFINISHED = ("INCOMING_STATUS_PENDING", "INCOMING_STATUS_PROCESSING", "INCOMING_STATUS_RETRY")
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Leg:
    """What one crossing took and carried."""

    name: str
    export_seconds: float
    carry_seconds: float
    import_seconds: float
    bundles: int
    records: int
    size_bytes: int

    @property
    def summary(self) -> str:
        """The leg in one line."""
        bundles = "1 bundle" if self.bundles == 1 else f"{self.bundles} bundles"
        return f"{self.name} have crossed: {self.records} records in {bundles}, {self.size_bytes:,} bytes"


@dataclass(frozen=True, slots=True)
class End:
    """One end of a crossing: the folders that a courier sees, and an operator who is signed in there."""

    export_dir: Path
    import_dir: Path
    operator: RestClient

    @classmethod
    def of(cls, network: Network, operator: RestClient) -> End:
        """The end at a network that runs in this process."""
        return cls(network.export_dir, network.import_dir, operator)


def cross(kind: str, source: End, destination: End, stick: Path) -> Leg:
    """Carries everything of `kind` that waits at `source`; raises ProcessError if it does not arrive."""
    started = time.monotonic()
    run_export(source.operator, kind)
    waiting = sealed_batches(source.operator, kind)
    exported = time.monotonic()
    carry(source, destination, stick)
    carried = time.monotonic()
    import_all(destination.operator, {batch["id"] for batch in waiting})
    return _leg(kind, waiting, (started, exported, carried, time.monotonic()))


def cross_first_users(source: End, destination: End, stick: Path, courier: Person) -> Leg:
    """Carries the first users, and what they may ask.

    Only with them can anybody sign in there, so the schedule imports them, not an operator.

    Afterwards `destination.operator` is signed in as `courier`, who was among them.
    """
    started = time.monotonic()
    for kind in FIRST_KINDS:
        run_export(source.operator, kind)
    waiting = [batch for kind in FIRST_KINDS for batch in sealed_batches(source.operator, kind)]
    exported = time.monotonic()
    carry(source, destination, stick)
    carried = time.monotonic()

    inboxes = [destination.import_dir / kind for kind in FIRST_KINDS]
    _repeat(
        lambda: not any(file for inbox in inboxes for file in inbox.glob("*.pb.enc")),
        what="the scheduled import of the first users",
    )
    destination.operator.sign_in(courier.username, courier.password)
    return _leg("users", waiting, (started, exported, carried, time.monotonic()))


def run_export(operator: RestClient, kind: str) -> None:
    """Seals what waits; a scheduled run that is under way is waited for."""
    _repeat(
        lambda: not operator.call("POST", f"/api/v1/admin/exports/{kind}", json={}).get("skipped"),
        what=f"the export of {kind}",
    )


def carry(source: End, destination: End, stick: Path) -> None:
    """Walks: the outbox to the stick, the stick to the other inbox, with the programs that a courier has."""
    trips = (("take", "--export-dir", source.export_dir), ("deliver", "--import-dir", destination.import_dir))
    for command, option, folder in trips:
        log = stick.parent / f"{command}.log"
        run_program("transfer", command, str(stick), option, str(folder), folder=stick.parent, log_path=log)
    for entry in stick.iterdir():
        # The stick is wiped for the way back.
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def import_all(operator: RestClient, batch_ids: set[str]) -> None:
    """Scans the inbox until each of these bundles is applied."""

    def applied() -> bool:
        operator.call("POST", "/api/v1/admin/imports:scan", json={})
        seen = operator.call("GET", "/api/v1/admin/batches/imports", params={"page_size": 200})["batches"]
        done = {batch["source_batch_id"] for batch in seen if batch["status"] == "BATCH_STATUS_COMPLETED"}
        return batch_ids <= done

    _repeat(applied, what=f"the import of {len(batch_ids)} bundles")


def unfinished(operator: RestClient) -> int:
    """How many requests the Response Network still has to answer, counted up to 200."""
    params = {"statuses": UNFINISHED, "page_size": 200}
    return len(operator.call("GET", "/api/v1/admin/incoming-requests", params=params)["incoming_requests"])


def sealed_batches(operator: RestClient, kind: str) -> list[Json]:
    """The newest bundles of a kind that are sealed and not yet acknowledged."""
    params = {"page_size": 200, "kind": f"BUNDLE_KIND_{kind.upper()}"}
    batches: list[Json] = operator.call("GET", "/api/v1/admin/batches/exports", params=params)["batches"]
    return [batch for batch in batches if batch["disposition"] == "DISPOSITION_SEALED"]


def _leg(name: str, batches: Sequence[Json], times: tuple[float, float, float, float]) -> Leg:
    started, exported, carried, imported = times
    return Leg(
        name=name,
        export_seconds=exported - started,
        carry_seconds=carried - exported,
        import_seconds=imported - carried,
        bundles=len(batches),
        records=sum(int(batch["record_count"]) for batch in batches),
        size_bytes=sum(int(batch["file_size_bytes"]) for batch in batches),
    )


def _repeat(attempt: Callable[[], bool], *, what: str) -> None:
    deadline = time.monotonic() + SETTLE_SECONDS
    while not attempt():
        if time.monotonic() > deadline:
            raise ProcessError(f"waited {SETTLE_SECONDS} s in vain for {what}")
        time.sleep(PAUSE_SECONDS)
