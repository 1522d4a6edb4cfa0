"""Which signing key this network uses, which of the other network's it trusts, and how a new one is handed over.

A new key is announced under the old one, in the first frame of every bundle, and used once a bundle that announced it
is acknowledged. What was learned so is trusted beside the keys of PEER_SIGNING_KEYS_FILE; a revocation wins over both.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert

from common.batches.stream_rows import lock_streams
from common.batches.tables import own_signing_keys, peer_signing_keys
from transfer.errors import UnknownSignerError

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
            key_id=coming.key_id,
            public_key=coming.public_bytes,
            announced_epoch=number.epoch,
            announced_from=number.sequence,
            announced_at=at,
        )
        changed = {name: statement.excluded[name] for name in ("announced_epoch", "announced_from", "announced_at")}
        await connection.execute(statement.on_conflict_do_update(index_elements=["key_id"], set_=changed))
        log.info("signing_key_announced", key_id=coming.key_id.hex()[:16], number=str(number))
    return coming.public_bytes


async def note_confirmed(connection: AsyncConnection, epoch: int, at: datetime) -> None:
    """A key is confirmed once one of the bundles that announced it is settled at the other network.

    Settled by being applied, or by being given up: the latter is learned only from a later bundle that is applied. So
    every later bundle must have announced the key too, which one that was sealed by a host without it has not.
    """
    rows = await connection.execute(
        select(_OWN).where(_OWN.c.acknowledged_at.is_(None), _OWN.c.announced_epoch == epoch)
    )
    for row in rows.all():
        known = {"epoch": epoch, "first": row.announced_from, "key": row.public_key}
        if await connection.scalar(_CONFIRMED, known):
            await connection.execute(update(_OWN).where(_OWN.c.key_id == row.key_id).values(acknowledged_at=at))
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


async def learn(
    connection: AsyncConnection, public_key: bytes, number: BundleNumber, at: datetime, *, introducer: bytes
) -> None:
    """The other network announces a key in an applied bundle that `introducer` signed. One revoked here stays so."""
    if not public_key:
        return
    key_id = hashlib.sha256(public_key).digest()
    learned = await connection.execute(
        insert(_PEER)
        .values(
            key_id=key_id,
            public_key=public_key,
            learned_epoch=number.epoch,
            learned_sequence=number.sequence,
            introduced_by=introducer,
            since=at,
        )
        .on_conflict_do_nothing()
    )
    if learned.rowcount:
        log.warning("signing_key_learned", key_id=key_id.hex()[:16], number=str(number))


async def trusted(connection: AsyncConnection, keys: Keys) -> TrustedKeys:
    """The keys by which the other network may sign: those of the file and those learned, without those revoked."""
    rows = (await connection.execute(select(_PEER))).all()
    learned = [row.public_key for row in rows if row.public_key is not None and row.revoked_at is None]
    revoked = keys.revoked | {row.key_id for row in rows if row.revoked_at is not None}
    return keys.trusted_keys.changed(learned=learned, revoked=revoked)


def require_trusted(keys: TrustedKeys, signer_id: bytes) -> None:
    """Raises UnknownSignerError unless the key still counts."""
    if signer_id not in keys.key_ids:
        msg = f"The key {signer_id.hex()[:16]}, by which the bundle is signed, was revoked."
        raise UnknownSignerError(msg)


async def revoke(connection: AsyncConnection, key_id: bytes, at: datetime) -> list[bytes]:
    """Nothing that this key signed is accepted from now on, whatever file or bundle names it.

    Returns the keys that bundles of this one announced and that still count: after a theft they may be the thief's.
    Takes the streams' lock, so that no bundle is being applied on the strength of this key.
    """
    await lock_streams(connection)
    statement = insert(_PEER).values(key_id=key_id, since=at, revoked_at=at)
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["key_id"],
            set_={"revoked_at": statement.excluded.revoked_at},
            where=_PEER.c.revoked_at.is_(None),
        )
    )
    log.warning("signing_key_revoked", key_id=key_id.hex()[:16])
    introduced = select(_PEER.c.key_id).where(_PEER.c.introduced_by == key_id, _PEER.c.revoked_at.is_(None))
    return sorted(await connection.scalars(introduced))


_OWN = own_signing_keys
_PEER = peer_signing_keys
_CONFIRMED = text(
    """
    SELECT EXISTS (
        SELECT FROM stream_bundles s
        WHERE s.direction = 'outgoing' AND s.epoch = :epoch AND s.sequence >= :first AND s.acknowledged_at IS NOT NULL
            AND NOT EXISTS (
                SELECT FROM export_batches e
                WHERE e.epoch = :epoch AND e.sequence >= s.sequence AND position(:key IN e.first_frame) = 0
            )
    )
    """
)
