"""A directory of accounts in memory, which behaves as the services' own do."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from common.rpc.caller import Caller

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.auth.accounts import Account

PASSWORD = "a long enough password"
CALLER = Caller(request_id="6f1c0e3e-9d4f-4a39-8d3a-0d3a7c1b2a10", address="192.0.2.7", user_agent="tests")


@dataclass
class Accounts:
    """An AccountDirectory that remembers who signed in."""

    keeps_passwords: bool = False
    by_id: dict[UUID, Account] = field(default_factory=dict)
    logins: list[tuple[UUID, datetime]] = field(default_factory=list)

    def add(self, account: Account) -> Account:
        self.by_id[account.user_id] = account
        return account

    def change(self, user_id: UUID, **changes: object) -> None:
        self.by_id[user_id] = replace(self.by_id[user_id], **changes)  # type: ignore[arg-type] # Named by the tests.

    async def find_by_username(self, connection: AsyncConnection, username: str) -> Account | None:
        found = (account for account in self.by_id.values() if account.username.lower() == username)
        return next(found, None)

    async def find_by_id(self, connection: AsyncConnection, user_id: UUID) -> Account | None:
        return self.by_id.get(user_id)

    async def hold(self, connection: AsyncConnection, user_id: UUID) -> Account | None:
        return self.by_id.get(user_id)

    async def keep_rehash(self, connection: AsyncConnection, user_id: UUID, password_hash: str) -> None:
        self.change(user_id, password_hash=password_hash)

    async def record_login(self, connection: AsyncConnection, user_id: UUID, at: datetime) -> None:
        self.logins.append((user_id, at))
