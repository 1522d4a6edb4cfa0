"""Which signing key this network uses, which of the other network's it trusts, and how a new one is handed over.

A new key is announced under the old one, in the first frame of every bundle, and used once a bundle that announced it
is acknowledged. What was learned so is trusted beside the keys of PEER_SIGNING_KEYS_FILE; a revocation wins over both.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import exists, select, update
from sqlalchemy.dialects.postgresql import insert

from common.batches.tables import OUTGOING, own_signing_keys, peer_signing_keys, stream_bundles

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.keys import Keys
    from transfer.bundle.signing import SigningKey, TrustedKeys
    from transfer.custody.state import BundleNumber

log = structlog.get_logger("common.batches")


async def announce(connection: AsyncConnection, keys: Keys, number: BundleNumber, at: datetime) -> bytes:
    """The raw public key that bundle `number` is to announce; empty if there is none, or if it is confirmed already."""
    coming = keys.next_signing_key
    if coming is None:
        return b""
    row = (await connection.execute(select(_OWN).where(_OWN.c.key_id == coming.key_id))).one_or_none()
    if row is not None and row.acknowledged_at is not None:
        return b""
    if row is None or row.announced_epoch != number.epoch:
        statement = insert(_OWN).values(
            key_id=coming.key_id, announced_epoch=number.epoch, announced_from=number.sequence, announced_at=at
        )
        changed = {name: statement.excluded[name] for name in ("announced_epoch", "announced_from", "announced_at")}
        await connection.execute(statement.on_conflict_do_update(index_elements=["key_id"], set_=changed))
        log.info("signing_key_announced", key_id=coming.key_id.hex()[:16], number=str(number))
    return coming.public_bytes


async def note_confirmed(connection: AsyncConnection, epoch: int, at: datetime) -> None:
    """A key is confirmed once one of the bundles that announced it is settled at the other network.

    Settled by being applied, or by being given up: the latter is learned only from a later bundle that is applied, and
    every later bundle announces the key too.
    """
    numbers = stream_bundles.c
    carried = exists().where(
        numbers.direction == OUTGOING,
        numbers.epoch == epoch,
        numbers.sequence >= _OWN.c.announced_from,
        numbers.acknowledged_at.is_not(None),
    )
    rows = await connection.execute(
        update(_OWN)
        .where(_OWN.c.acknowledged_at.is_(None), _OWN.c.announced_epoch == epoch, carried)
        .values(acknowledged_at=at)
        .returning(_OWN.c.key_id)
    )
    for row in rows:
        log.info("signing_key_confirmed", key_id=row.key_id.hex()[:16])


async def announce_again(connection: AsyncConnection) -> None:
    """A new epoch begins: the other network may have been set back to before it learned of a key."""
    await connection.execute(update(_OWN).values(announced_epoch=0, acknowledged_at=None))


async def signer(connection: AsyncConnection, keys: Keys) -> SigningKey:
    """The key to sign with now."""
    coming = keys.next_signing_key
    if coming is None:
        return keys.signing_key
    confirmed = select(_OWN.c.key_id).where(_OWN.c.key_id == coming.key_id, _OWN.c.acknowledged_at.is_not(None))
    return coming if await connection.scalar(confirmed) is not None else keys.signing_key


async def learn(connection: AsyncConnection, public_key: bytes, number: BundleNumber, at: datetime) -> None:
    """The other network announces a key in an applied bundle. One that was revoked here stays revoked."""
    if not public_key:
        return
    key_id = hashlib.sha256(public_key).digest()
    learned = await connection.execute(
        insert(_PEER)
        .values(
            key_id=key_id, public_key=public_key, learned_epoch=number.epoch, learned_sequence=number.sequence, since=at
        )
        .on_conflict_do_nothing()
    )
    if learned.rowcount:
        log.warning("signing_key_learned", key_id=key_id.hex()[:16], number=str(number))


async def trusted(connection: AsyncConnection, keys: Keys) -> TrustedKeys:
    """The keys by which the other network may sign: those of the file and those learned, without those revoked."""
    rows = (await connection.execute(select(_PEER))).all()
    learned = [row.public_key for row in rows if row.public_key is not None and row.revoked_at is None]
    return keys.trusted_keys.changed(
        learned=learned, revoked={row.key_id for row in rows if row.revoked_at is not None}
    )


async def revoke(connection: AsyncConnection, key_id: bytes, at: datetime) -> None:
    """Nothing that this key signed is accepted from now on, whatever file or bundle names it."""
    statement = insert(_PEER).values(key_id=key_id, since=at, revoked_at=at)
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["key_id"],
            set_={"revoked_at": statement.excluded.revoked_at},
            where=_PEER.c.revoked_at.is_(None),
        )
    )
    log.warning("signing_key_revoked", key_id=key_id.hex()[:16])


_OWN = own_signing_keys
_PEER = peer_signing_keys
