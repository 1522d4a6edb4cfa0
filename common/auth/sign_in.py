"""Signing in with name and password: one answer for every wrong way, and a trace of each attempt in the audit trail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import uuid4

from common.audit.record import caller_entry, record
from common.audit.tables import OK, REFUSED
from common.auth.attempting import begin_attempt, end_attempt
from common.auth.issue import issue_pair
from common.auth.names import folded
from common.errors import CredentialsWrongError, ReplicaTooOldError

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.audit.record import AuditEntry
    from common.auth.accounts import Account
    from common.auth.context import AuthContext, TokenPair
    from common.rpc.caller import Caller

MOST_LOOKS: Final = 3
"""How often the account is looked at when it was changed meanwhile: another sign-in may have replaced the hash."""
_WRONG: Final = "The name or the password is wrong, or the account is inactive."
_PASSWORDS_HERE: Final = "The admin sets passwords and lets users in again."
_PASSWORDS_THERE: Final = "Passwords are set on the Response Network and arrive here with the next users bundle."


async def sign_in(context: AuthContext, *, username: str, password: str, caller: Caller) -> TokenPair:
    """Opens a session. Raises CredentialsWrongError, in the same time, for a wrong name, password or an inactive user.

    The attempt is counted before anything is looked at: RateLimitedError while name or address is blocked. The
    password is checked outside any transaction, since it takes long on purpose.
    """
    await begin_attempt(context, username=username, caller=caller)
    for _ in range(MOST_LOOKS):
        async with context.database.transaction() as transaction:
            account = await context.directory.find_by_username(transaction.connection, folded(username))
        fits = await context.hasher.verify(account.password_hash if account is not None else None, password)
        if account is None or not fits or not account.is_active:
            break
        rehash = None
        if context.directory.keeps_passwords and context.hasher.needs_rehash(account.password_hash):
            rehash = await context.hasher.hash(password)
        async with context.database.transaction() as transaction:
            outcome = await _open(transaction.connection, context, account, rehash, username, caller)
        if isinstance(outcome, ReplicaTooOldError):
            raise outcome
        if outcome is not None:
            return outcome
    async with context.database.transaction() as transaction:
        await record(transaction.connection, _entry("auth.sign_in_refused", username, account, caller))
    next_step = _PASSWORDS_HERE if context.directory.keeps_passwords else _PASSWORDS_THERE
    raise CredentialsWrongError(f"{_WRONG} {next_step}")


async def _open(
    connection: AsyncConnection,
    context: AuthContext,
    account: Account,
    rehash: str | None,
    username: str,
    caller: Caller,
) -> TokenPair | ReplicaTooOldError | None:
    """The session's tokens, a refusal that is not about the password, or None where the account is another by now.

    The account is read again and held: a change before this transaction counts, and one after it ends this session
    with all others, since whoever makes it takes the time of the ending once the account is free.
    """
    current = await context.directory.hold(connection, account.user_id)
    if current is None or not current.is_active or current.password_hash != account.password_hash:
        return None
    await end_attempt(connection, context, username=username, caller=caller)
    if context.replica_age is not None:
        try:
            context.replica_age.check_sign_in(current.role)
        except ReplicaTooOldError as refusal:
            await record(connection, _entry("auth.sign_in_refused", username, current, caller, cause="replica_too_old"))
            return refusal
    signed_in_at = context.clock()
    if rehash is not None:
        await context.directory.keep_rehash(connection, current.user_id, rehash)
    await context.directory.record_login(connection, current.user_id, signed_in_at)
    pair = await issue_pair(connection, context, current, uuid4(), signed_in_at, caller)
    await record(connection, _entry("auth.signed_in", username, current, caller, session_id=pair.session_id))
    return pair


def _entry(
    action: str,
    username: str,
    account: Account | None,
    caller: Caller,
    *,
    session_id: UUID | None = None,
    cause: str | None = None,
) -> AuditEntry:
    return caller_entry(
        caller,
        action,
        user_id=account.user_id if account is not None else None,
        resource_type="session",
        resource_id=str(session_id) if session_id is not None else None,
        metadata={"username": username} | ({"cause": cause} if cause else {}),
        outcome=OK if session_id is not None else REFUSED,
    )
