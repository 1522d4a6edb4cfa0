"""Which keys are used and trusted, and revoking one of the other network's. A key itself is never shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from common.audit.record import record
from common.batches.signing_keys import revoke, signer, trusted
from common.batches.stream_rows import read_streams
from common.batches.tables import own_signing_keys, peer_signing_keys
from common.operations.custody import entry

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from common.batches.context import BatchContext
    from common.rpc.caller import Caller


@dataclass(frozen=True, slots=True)
class OwnKey:
    """A signing key of this network: `signs`, `announced` or `in preparation`."""

    key_id: bytes
    state: str
    announced_at: datetime | None = None
    confirmed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PeerKey:
    """A signing key of the other network: from the `file`, `learned` or `revoked`."""

    key_id: bytes
    state: str
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class KeysView:
    """All of them."""

    encryption: Mapping[str, str]
    own: tuple[OwnKey, ...]
    peer: tuple[PeerKey, ...]
    peer_reads: tuple[str, ...]


async def list_keys(context: BatchContext) -> KeysView:
    """The keys as their files and the database have them now."""
    keys = context.keys()
    async with context.database.transaction() as transaction:
        connection = transaction.connection
        signs = (await signer(connection, keys)).key_id
        announced = {row.key_id: row for row in await connection.execute(select(own_signing_keys))}
        noted = {row.key_id: row for row in await connection.execute(select(peer_signing_keys))}
        peer_reads = (await read_streams(connection)).peer_key_versions
    own = []
    for key in filter(None, (keys.signing_key, keys.next_signing_key)):
        row = announced.get(key.key_id)
        state = "signs" if key.key_id == signs else "announced" if row is not None else "in preparation"
        times = (row.announced_at, row.acknowledged_at) if row is not None else (None, None)
        own.append(OwnKey(key.key_id, state, *times))
    peer = [PeerKey(key_id, "file") for key_id in sorted(keys.trusted_keys.key_ids - noted.keys())]
    for key_id, row in noted.items():
        learned = "file" if key_id in keys.trusted_keys.key_ids else "learned"
        peer.append(PeerKey(key_id, "revoked" if row.revoked_at else learned, row.revoked_at or row.since))
    states = {version: str(state) for version, state in keys.keyring.states.items()}
    return KeysView(states, tuple(own), tuple(peer), peer_reads)


async def revoke_key(context: BatchContext, key_id: str, reason: str, caller: Caller) -> int:
    """Revokes a key of the other network; how many of its keys still count."""
    async with context.database.transaction() as transaction:
        connection = transaction.connection
        await revoke(connection, bytes.fromhex(key_id), context.clock())
        await record(connection, entry("keys.revoked", key_id, caller, {"reason": reason}))
        return len((await trusted(connection, context.keys())).key_ids)
