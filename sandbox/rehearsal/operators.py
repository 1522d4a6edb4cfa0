"""What the operators of both networks do in a rehearsal, as the operator's guide tells them to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.batches.epochs import accept_epoch, declare_epoch, release_of_epoch
from common.batches.give_up import void_numbers
from common.batches.overview import get_streams
from transfer.bundle.peek import peek
from transfer.bundle.signing import TrustedKeys
from transfer.errors import UnknownSignerError

if TYPE_CHECKING:
    import random

    from common.batches.overview import StreamsView
    from sandbox.rehearsal.side import Side

# The other network said for good that it cannot use a bundle, and the file there is as it was sealed.
HOPELESS = (
    "SELECT sequence FROM stream_bundles WHERE direction = 'outgoing' AND disposition = 'sealed' "
    "AND refused_reason IS NOT NULL AND epoch = :epoch ORDER BY sequence"
)

ON_THE_WAY = (
    "SELECT sequence FROM stream_bundles WHERE direction = 'outgoing' AND disposition = 'sealed' "
    "AND epoch = :epoch ORDER BY sequence"
)


class Operator:
    """Looks after one network. `deeds` counts what had to be done."""

    def __init__(self, side: Side, peer: Side) -> None:
        self._side = side
        self._peer = peer
        self.deeds: dict[str, int] = {}
        # Whether a database was ever set back; before that no alarm is a true one.
        self.restored = False
        self.false_alarms: list[str] = []

    async def look(self) -> StreamsView:
        """Both streams as the status shows them."""
        context = self._side.exchange.context
        async with context.database.transaction() as transaction:
            return await get_streams(transaction.connection, context)

    async def act(self) -> None:
        """Ends alarms by a new epoch, accepts the other's, gives up what is refused for good."""
        side = self._side
        streams = await self.look()
        alarm = streams.outgoing.alarm or streams.incoming.alarm
        if alarm and not self.restored:
            self.false_alarms.append(f"a false alarm on the {side.name} network: {alarm}")
        epoch = await self._later_epoch(streams.outgoing.epoch)
        if epoch is not None:
            await self.accept(epoch)
        elif streams.outgoing.alarm:
            await self.declare()
        elif streams.incoming.alarm and not await self._epoch_is_coming(streams.incoming.epoch):
            # A fork: the other network's operator is called, whose database was set back, and declares there.
            await self._declare_on(self._peer)
        await self._trust_again()
        refused = [row.sequence for row in await side.rows(HOPELESS, epoch=streams.outgoing.epoch)]
        if refused and not streams.outgoing.alarm:
            async with side.app.database.transaction() as transaction:
                await void_numbers(transaction.connection, side.exchange.context, side.exchange.sources, refused)
            self._count("gave up a refused bundle")

    async def declare(self) -> None:
        """A new epoch, after a restore or an alarm."""
        if (await self.look()).outgoing.epoch != 0:
            await self._declare_on(self._side)

    async def accept(self, epoch: int) -> None:
        """The epoch that the other network declared."""
        side = self._side
        async with side.app.database.transaction() as transaction:
            await accept_epoch(transaction.connection, side.exchange.context, side.exchange.sources, epoch)
        await release_of_epoch(side.exchange.context, epoch)
        self._count("accepted an epoch")

    async def give_something_up(self, choose: random.Random) -> None:
        """Gives up a bundle that is on its way, for no good reason."""
        side = self._side
        streams = await self.look()
        rows = await side.rows(ON_THE_WAY, epoch=streams.outgoing.epoch)
        if rows:
            async with side.app.database.transaction() as transaction:
                await void_numbers(
                    transaction.connection, side.exchange.context, side.exchange.sources, [choose.choice(rows).sequence]
                )
            self._count("gave up a bundle on its way")

    async def try_again(self, choose: random.Random) -> None:
        """Releases something from quarantine, or throws it away."""
        inbox = self._side.exchange.context.inbox
        files = inbox.quarantine_folder.files()
        if not files:
            return
        name = choose.choice(files).name
        if choose.random() < 0.5:
            inbox.release(name)
            self._count("released from quarantine")
        else:
            inbox.quarantine_folder.discard(name)
            self._count("discarded from quarantine")

    async def _trust_again(self) -> None:
        """A restored database has forgotten a key that it learned: after a call to its owner it goes to the file."""
        unknown = [
            file
            for file in self._side.exchange.context.inbox.quarantine_folder.files()
            if file.reason.get("defect") == UnknownSignerError.defect
        ]
        signers = {key_id for file in unknown for key_id in peek(file.path).signers}
        path = self._side.settings.peer_signing_keys_file
        for theirs in self._peer.signing_keys():
            if theirs.key_id in signers and theirs.key_id not in TrustedKeys.load(path).key_ids:
                path.write_bytes(path.read_bytes() + theirs.public_pem())
                self._count("trusted a key again")

    async def _declare_on(self, side: Side) -> None:
        async with side.app.database.transaction() as transaction:
            await declare_epoch(transaction.connection, side.exchange.context, side.exchange.sources)
        self._count("declared an epoch")

    async def _epoch_is_coming(self, present: int) -> bool:
        """Whether the other network has begun one that is not known here yet: nobody declares two for one fork."""
        rows = await self._peer.rows("SELECT max(epoch) AS epoch FROM streams")
        return bool(rows[0].epoch > present)

    async def _later_epoch(self, present: int) -> int | None:
        rows = await self._side.rows("SELECT max(epoch) AS epoch FROM import_batches WHERE defect = 'later-epoch'")
        newest: int | None = rows[0].epoch
        return newest if newest is not None and newest > present else None

    def _count(self, deed: str) -> None:
        self.deeds[deed] = self.deeds.get(deed, 0) + 1
