"""Bundles that hold acknowledgements and nothing else, for when there is news and nothing to send it with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.batches.claim import STATUS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime
    from uuid import UUID

    from airlock.bundle.v1.frame_pb2 import ResultChunk
    from airlock.common.v1.network_pb2 import BundleKind
    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.batches.ports import OutgoingBatch


class StatusSource:
    """An ExportSource without rows."""

    @property
    def kind(self) -> BundleKind.ValueType:
        """Status."""
        return STATUS

    async def claim(self, connection: AsyncConnection, batch: OutgoingBatch) -> int:
        """There is nothing to claim."""
        return 0

    async def pieces(
        self, connection: AsyncConnection, batch: OutgoingBatch
    ) -> AsyncIterator[Sequence[bytes | ResultChunk]]:
        """There are no records."""
        yield ()

    async def sealed(self, connection: AsyncConnection, batch: OutgoingBatch) -> None:
        """There are no rows to mark."""

    async def acknowledged(self, connection: AsyncConnection, batch_ids: Sequence[UUID], at: datetime) -> None:
        """There are no rows to mark."""

    async def released(self, connection: AsyncConnection, batch_ids: Sequence[UUID]) -> None:
        """There are no rows to free."""

    async def begin_again(self, connection: AsyncConnection) -> None:
        """There are no rows to free."""
