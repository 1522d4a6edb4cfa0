"""Which keys are used and trusted, and revoking one of the other network's. A key itself is never shown."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from common.audit.record import record
from common.batches.signing_keys import revoke, signer, trusted
from common.batches.stream_rows import read_streams
from common.batches.tables import own_signing_keys, peer_signing_keys
from common.errors import NotFoundError
from common.operations.custody import entry
from transfer.errors import KeyFileError

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
    introduced_by: bytes = b""


@dataclass(frozen=True, slots=True)
class Revoked:
    """What a revocation leaves: how many keys count, which the revoked one introduced, why it is in no file."""

    trusted_keys: int
    introduced: tuple[bytes, ...]
    not_kept: str = ""


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
        if key.key_id == signs:
            state = "signs"
        elif key is keys.signing_key:
            state = "replaced"
        else:
            state = "announced" if row is not None else "in preparation"
        times = (row.announced_at, row.acknowledged_at) if row is not None else (None, None)
        own.append(OwnKey(key.key_id, state, *times))
    unnoted = sorted((keys.trusted_keys.key_ids | keys.revoked) - noted.keys())
    peer = [PeerKey(key_id, "revoked" if key_id in keys.revoked else "file") for key_id in unnoted]
    for key_id, row in noted.items():
        learned = "file" if key_id in keys.trusted_keys.key_ids else "learned"
        gone = row.revoked_at is not None or key_id in keys.revoked
        since = row.revoked_at or row.since
        peer.append(PeerKey(key_id, "revoked" if gone else learned, since, row.introduced_by or b""))
    states = {version: str(state) for version, state in keys.keyring.states.items()}
    return KeysView(states, tuple(own), tuple(peer), peer_reads)


async def revoke_key(context: BatchContext, key_id: str, reason: str, caller: Caller) -> Revoked:
    """Revokes a key of the other network. Raises NotFoundError for one that this network does not know."""
    identity = bytes.fromhex(key_id)
    async with context.database.transaction() as transaction:
        connection = transaction.connection
        noted = set(await connection.scalars(select(peer_signing_keys.c.key_id)))
        if identity not in noted | context.keys().trusted_keys.key_ids:
            raise NotFoundError(
                "The other network has no such key, as far as this one knows; list the keys.",
                metadata={"resource": key_id},
            )
        introduced = await revoke(connection, identity, context.clock())
        await record(connection, entry("keys.revoked", key_id, caller, {"reason": reason}))
        left = len((await trusted(connection, context.keys())).key_ids)
    try:
        await asyncio.to_thread(context.keep_revoked, identity)
    except KeyFileError as error:
        return Revoked(left, tuple(introduced), str(error))
    return Revoked(left, tuple(introduced))
