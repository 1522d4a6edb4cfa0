"""A transfer station for tests: an outbox, a medium, an inbox, the keys of both networks, and the command itself."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from typer.testing import CliRunner

from transfer.cli.program import app
from transfer.spool.inbox import Inbox
from transfer.spool.outbox import Outbox

if TYPE_CHECKING:
    from pathlib import Path

    from transfer.bundle.keyring import GeneratedKeys

EPOCH = 1772357400
REQUEST = {
    "request": {
        "id": "0192f0c1-0000-7000-8000-000000000001",
        "user_id": "0192f0c1-0000-7000-8000-0000000000aa",
        "index": "cities",
        "priority": 7,
        "created_at": "2026-03-01T09:29:12.000000Z",
        "accept_partial": False,
        "search": {"query": {"match": {"name": {"query": "تهران"}}}, "size": 5},
    }
}
USER = {
    "user": {
        "id": "0192f0c1-0000-7000-8000-0000000000aa",
        "username": "sara",
        "email": "sara@example.org",
        "hashed_password": "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g",
        "full_name": "Sara",
        "role": "user",
        "profile_type": "basic",
        "rate_limit_per_minute": 10,
        "rate_limit_per_hour": 100,
        "rate_limit_per_day": 500,
        "priority": 5,
        "is_active": True,
        "revision": 3,
        "session_version": 0,
    }
}
TABLE_STATE = {
    "table_state": {
        "snapshot": True,
        "since_revision": 0,
        "revision": 3,
        "row_count": 1,
        "table_digest": "ab" * 32,
    }
}


def response(data: str) -> dict[str, Any]:
    """A completed answer with that text as its data."""
    return {
        "response": {
            "request_id": "0192f0c1-0000-7000-8000-000000000001",
            "outcome": "completed",
            "result_count": 1,
            "executions": 1,
            "executed_at": "2026-03-01T09:31:00.000000Z",
            "data": data,
        }
    }


@dataclass(frozen=True)
class Result:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The JSON document on standard output."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Standard output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass
class Station:
    """Folders below `root`; `run` calls the command in this process, with the request network's settings by default."""

    root: Path
    keys: GeneratedKeys
    sequences: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.medium.mkdir()
        Outbox(self.outbox).make_folders()
        Inbox(self.inbox).make_folders()

    @property
    def outbox(self) -> Path:
        return self.root / "outbox"

    @property
    def medium(self) -> Path:
        return self.root / "medium"

    @property
    def inbox(self) -> Path:
        return self.root / "inbox"

    def environment(self) -> dict[str, str]:
        """Settings under which bundles of either network are sealed by hand and read again."""
        trusted = self.root / "trusted.pub"
        trusted.write_bytes(self.keys.request_public_key.read_bytes() + self.keys.response_public_key.read_bytes())
        return {
            "ENCRYPTION_KEYRING_FILE": str(self.keys.keyring),
            "PEER_SIGNING_KEYS_FILE": str(trusted),
            "EXPORT_DIR": str(self.outbox),
            "IMPORT_DIR": str(self.inbox),
            "NO_COLOR": "1",
            "COLUMNS": "100",
        }

    def run(self, *arguments: object, stdin: str | bytes | None = None, **environment: str | None) -> Result:
        """Runs `transfer` with these arguments; `environment` adds to the settings, None takes one away."""
        settings = {**self.environment(), **environment}
        result = CliRunner().invoke(
            app, [str(one) for one in arguments], input=stdin, env=settings, prog_name="transfer"
        )
        return Result(result.exit_code, result.stdout, result.stderr)

    def seal(
        self,
        kind: str,
        *records: dict[str, Any],
        source: str | None = None,
        into: Path | None = None,
        epoch: int = EPOCH,
    ) -> Path:
        """Seals records into the outbox or another folder, under the next number of its network."""
        source = source or ("request" if kind == "requests" else "response")
        sequence = self.sequences[source] = self.sequences.get(source, 0) + 1
        folder = self.outbox / kind if into is None else into
        folder.mkdir(parents=True, exist_ok=True)
        key = self.keys.request_signing_key if source == "request" else self.keys.response_signing_key
        text = "".join(json.dumps(record) + "\n" for record in records)
        batch_id = f"0192f0c1-1111-7000-8{epoch - EPOCH:03}-{1 + (source == 'response'):04}{sequence:08}"
        stream = ("--kind", kind, "--source", source, "--epoch", epoch, "--sequence", sequence)
        batch = ("--batch-id", batch_id, "--created-at", f"2026-03-01T09:3{sequence % 10}:00Z")
        result = self.run("write", "--json", *stream, *batch, "--signing-key", key, folder, stdin=text)
        assert result.code == 0, result.err
        return type(self.root)(result.document["path"])
