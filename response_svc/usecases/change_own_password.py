"""A user changes his own password, which needs the old one and leaves him only the session that he does it from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from common.audit.record import record
from common.audit.tables import REFUSED
from common.auth.attempting import begin_attempt, end_attempt
from common.auth.own_sessions import end_others
from common.errors import CredentialsWrongError, FieldViolation, InvalidFieldError, SessionEndedError
from response_svc.domain.user import without_sessions
from response_svc.usecases.change_users import entry, locked, written

if TYPE_CHECKING:
    from common.auth.context import AuthContext
    from common.auth.principal import Principal
    from common.rpc.caller import Caller
    from response_svc.usecases.change_users import UserContext


async def change_own_password(
    context: UserContext,
    auth: AuthContext,
    *,
    old_password: str,
    new_password: str,
    principal: Principal,
    caller: Caller,
) -> None:
    """Sets the caller's password and ends his other sessions, those on the other network with the next bundle.

    An attempt is counted as one to sign in. Raises RateLimitedError, CredentialsWrongError for a wrong old password,
    InvalidFieldError if the new one is the old one.
    """
    if old_password == new_password:
        cause = "is the old password; choose another"
        raise InvalidFieldError(
            f"The call breaks a rule: new_password {cause}.", violations=[FieldViolation("new_password", cause)]
        )
    await begin_attempt(auth, username=principal.username, caller=caller)
    async with context.database.transaction() as transaction:
        user = await context.users.find(transaction.connection, principal.user_id)
    if user is None:
        raise SessionEndedError("This account is gone; sign in again.")
    if not await context.hasher.verify(user.hashed_password, old_password):
        refused = replace(entry("user.password_change_refused", user, caller), outcome=REFUSED)
        async with context.database.transaction() as transaction:
            await record(transaction.connection, refused)
        raise CredentialsWrongError("The old password is wrong. Who has forgotten it asks the admin to set another.")
    hashed_password = await context.hasher.hash(new_password)
    async with context.database.transaction() as transaction:
        connection = transaction.connection
        current = await locked(context, connection, user.id)
        if not current.is_active or current.hashed_password != user.hashed_password:
            raise SessionEndedError("Your account was changed at this moment; sign in again.")
        at = context.clock()
        ended = await end_others(
            connection, user.id, but=principal.session_id, at=at, reason="password changed by its user"
        )
        changed = without_sessions(replace(current, hashed_password=hashed_password), at)
        changed = await written(context, connection, changed)
        await end_attempt(connection, auth, username=principal.username, caller=caller)
        transaction.after_commit(context.wake_export)
        await record(connection, entry("user.password_changed", changed, caller, {"sessions_ended": len(ended)}))
    for session_id in ended:
        auth.revocations.note_session(session_id, at)
