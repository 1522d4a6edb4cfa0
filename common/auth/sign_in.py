"""Signing in with name and password: one answer for every wrong way, and a trace of each attempt in the audit trail."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from common.audit.record import AuditEntry, record
from common.audit.tables import OK, REFUSED
from common.auth.issue import issue_pair
from common.errors import CredentialsWrongError

if TYPE_CHECKING:
    from common.auth.accounts import Account
    from common.auth.context import AuthContext, TokenPair
    from common.rpc.caller import Caller


async def sign_in(context: AuthContext, *, username: str, password: str, caller: Caller) -> TokenPair:
    """Opens a session. Raises CredentialsWrongError, in the same time, for a wrong name, password or an inactive user.

    The password is checked outside any transaction, since it takes long on purpose; the account is read again
    inside the one that opens the session and held there: a change before it counts, and one after it ends this session
    with all others, since whoever makes it takes the time of the ending once the account is free.
    """
    async with context.database.transaction() as transaction:
        account = await context.directory.find_by_username(transaction.connection, username)
    fits = await context.hasher.verify(account.password_hash if account is not None else None, password)
    async with context.database.transaction() as transaction:
        connection = transaction.connection
        if account is not None and fits:
            current = await context.directory.hold(connection, account.user_id)
            if current is not None and current.is_active and current.password_hash == account.password_hash:
                signed_in_at = context.clock()
                await context.directory.record_login(connection, current.user_id, signed_in_at)
                pair = await issue_pair(connection, context, current, uuid4(), signed_in_at)
                await record(connection, _entry("auth.signed_in", username, current, caller, pair))
                return pair
        await record(connection, _entry("auth.sign_in_refused", username, account, caller))
    raise CredentialsWrongError(
        "The name or the password is wrong, or the account is inactive. Passwords are set on the Response Network and "
        "arrive here with the next users bundle."
    )


def _entry(
    action: str, username: str, account: Account | None, caller: Caller, pair: TokenPair | None = None
) -> AuditEntry:
    return AuditEntry(
        action,
        user_id=account.user_id if account is not None else None,
        resource_type="session",
        resource_id=str(pair.session_id) if pair is not None else None,
        address=caller.address,
        user_agent=caller.user_agent,
        metadata={"username": username, "request_id": caller.request_id},
        outcome=OK if pair is not None else REFUSED,
    )
