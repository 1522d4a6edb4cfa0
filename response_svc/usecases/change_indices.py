"""Allowing and disallowing indices, and reading their fields again, on the network that is the catalogue's master."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from common.errors import (
    AlreadyExistsError,
    FieldViolation,
    InvalidFieldError,
    NotFoundError,
    UnavailableError,
    WrongStateError,
)
from common.policy.index import AllowedIndex, index_from
from common.search.indices import index_name_defect
from common.search.violations import shown
from response_svc.domain.policy_row import check_revision
from response_svc.search.answers import EngineError, NoSuchIndexError
from response_svc.usecases.change_policy import Written, write

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.ext.asyncio import AsyncConnection

    from common.rpc.caller import Caller
    from response_svc.domain.policy_row import PolicyRow
    from response_svc.ports import SearchEngine
    from response_svc.usecases.change_policy import PolicyContext

RESOURCE: Final = {"resource": "index"}


async def allow_index(
    context: PolicyContext, engine: SearchEngine, name: str, *, description: str, caller: Caller
) -> PolicyRow:
    """Allows exactly one index with the fields that the engine says it has.

    Raises InvalidFieldError for a name that is not exact, AlreadyExistsError, and what `fields_of` raises.
    """
    check_exact_name(name, field="name")
    # The engine may take its time; no transaction waits for it.
    new = AllowedIndex(name, description, await fields_of(engine, name))
    async with context.database.transaction() as transaction:
        connection = transaction.connection
        await context.indices.hold(connection)
        before = await context.indices.find(connection, name)
        if before is not None and not before.is_deleted:
            raise AlreadyExistsError(f"The index {name} is allowed already.", metadata=RESOURCE)
        # It may be another index than the one that had this name before.
        transaction.after_commit(partial(context.forget_answers, name))
        return await write(
            context,
            transaction,
            context.indices,
            Written(name, new.content()),
            action="index.allowed",
            caller=caller,
            data={"description": description, "fields": len(new.fields)},
        )


async def describe_index(
    context: PolicyContext, name: str, description: str | None, *, revision: int | None, caller: Caller
) -> PolicyRow:
    """Changes the description; without a difference nothing is written. Raises NotFoundError and WrongStateError."""
    async with context.database.transaction() as transaction:
        before = await held_index(context, transaction.connection, name)
        check_revision(before, revision)
        if description is None or description == before.content["description"]:
            return before
        return await write(
            context,
            transaction,
            context.indices,
            Written(name, {**before.content, "description": description}),
            action="index.updated",
            caller=caller,
            data={"description": description},
        )


async def refresh_index(
    context: PolicyContext, engine: SearchEngine, name: str, *, caller: Caller
) -> tuple[PolicyRow, bool]:
    """Reads the fields of an allowed index again; whether they are others. Raises as `fields_of` does."""
    async with context.database.transaction() as transaction:
        row = await context.indices.find(transaction.connection, name)
    if row is None or row.is_deleted:
        raise no_index(name)
    return await keep_fields(context, name, await fields_of(engine, name), caller=caller)


async def keep_fields(
    context: PolicyContext, name: str, fields: Mapping[str, str], *, caller: Caller
) -> tuple[PolicyRow, bool]:
    """Keeps the fields of an allowed index; whether they are others than before. Raises NotFoundError."""
    async with context.database.transaction() as transaction:
        before = await held_index(context, transaction.connection, name)
        index = index_from(name, before.content)
        if dict(index.fields) == dict(fields):
            return before, False
        changed = dict(index.fields).items() ^ dict(fields).items()
        transaction.after_commit(partial(context.forget_answers, name))
        row = await write(
            context,
            transaction,
            context.indices,
            Written(name, AllowedIndex(name, index.description, fields).content()),
            action="index.refreshed",
            caller=caller,
            data={"fields": len(fields), "changed": len({field for field, _ in changed})},
        )
    return row, True


async def disallow_index(context: PolicyContext, name: str, *, revision: int | None, caller: Caller) -> None:
    """Lets an index be searched no longer. Raises NotFoundError, and WrongStateError for another revision."""
    async with context.database.transaction() as transaction:
        before = await held_index(context, transaction.connection, name)
        check_revision(before, revision)
        transaction.after_commit(partial(context.forget_answers, name))
        await write(
            context,
            transaction,
            context.indices,
            Written(name, before.content, removed=True),
            action="index.disallowed",
            caller=caller,
            data={},
        )


async def fields_of(engine: SearchEngine, name: str) -> Mapping[str, str]:
    """What the engine says of an index.

    Raises NotFoundError if it has no such index, UnavailableError if it does not answer, and WrongStateError for more
    fields than can be carried.
    """
    try:
        return await engine.fields(name)
    except NoSuchIndexError:
        cause = f"The search engine has no index {shown(name)}; check the name, or make the index first."
        raise NotFoundError(cause, metadata=RESOURCE) from None
    except EngineError as error:
        if error.may_pass:
            cause = f"The fields of {name} cannot be read now: {error.message}"
            raise UnavailableError(cause, metadata={"part": "search engine"}, retry_after_seconds=5) from None
        cause = f"The fields of {name} cannot be used: {error.message}"
        raise WrongStateError(cause, metadata={"state": "unusable"}) from None


async def held_index(context: PolicyContext, connection: AsyncConnection, name: str) -> PolicyRow:
    """The allowed index, which nobody else changes until the transaction has ended. Raises NotFoundError."""
    await context.indices.hold(connection)
    row = await context.indices.find(connection, name)
    if row is None or row.is_deleted:
        raise no_index(name)
    return row


def check_exact_name(name: str, *, field: str) -> None:
    """Raises InvalidFieldError for a name, given in that field, that cannot be one of exactly one index."""
    defect = index_name_defect(name)
    if defect is not None:
        violations = [FieldViolation(field, defect)]
        raise InvalidFieldError(f"The call breaks a rule: {field} {defect}.", violations=violations)


def no_index(name: str) -> NotFoundError:
    """The refusal for a name that is not in the catalogue."""
    cause = f"The index {shown(name)} is not allowed; `GET /api/v1/admin/indices` lists those that are."
    return NotFoundError(cause, metadata=RESOURCE)
