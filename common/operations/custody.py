"""What an operator decides about streams, each in one transaction with its row in the audit trail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from common.audit.record import caller_entry, record
from common.batches.epochs import BegunEpoch, accept_epoch, declare_epoch, release_of_epoch
from common.batches.give_up import offer_again, void_numbers
from common.errors import FieldViolation, InvalidFieldError
from transfer.custody.numbers import format_numbers, parse_numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from common.audit.record import AuditEntry
    from common.batches.batch_rows import ExportBatchRow
    from common.batches.exchange import Exchange
    from common.batches.give_up import OfferedAgain
    from common.rpc.caller import Caller


async def resend(exchange: Exchange, numbers: str, caller: Caller) -> list[OfferedAgain]:
    """Whether these bundles can be carried once more. Raises InvalidFieldError and NotFoundError."""
    wanted = _parsed(numbers)
    async with exchange.context.database.transaction() as transaction:
        offered = await offer_again(transaction.connection, exchange.context, wanted)
        await record(transaction.connection, entry("custody.resend", format_numbers(wanted), caller))
    return offered


async def void(exchange: Exchange, numbers: str, reason: str, caller: Caller) -> list[ExportBatchRow]:
    """Gives bundles up. Raises InvalidFieldError, NotFoundError and WrongStateError; then none is given up."""
    wanted = _parsed(numbers)
    async with exchange.context.database.transaction() as transaction:
        batches = await void_numbers(transaction.connection, exchange.context, exchange.sources, wanted)
        await record(transaction.connection, entry("custody.void", format_numbers(wanted), caller, {"reason": reason}))
    return batches


async def declare(exchange: Exchange, reason: str, ending: int, caller: Caller) -> BegunEpoch:
    """Begins a new epoch here. Raises WrongStateError, also if `ending`, unless 0, is not the present epoch any more.

    What waited for an epoch that is overtaken by this one is looked at again, and set aside.
    """
    async with exchange.context.database.transaction() as transaction:
        begun = await declare_epoch(transaction.connection, exchange.context, exchange.sources, ending=ending)
        told = {"reason": reason, "previous": begun.previous}
        await record(transaction.connection, entry("custody.epoch_declared", str(begun.epoch), caller, told))
    await release_of_epoch(exchange.context, begun.epoch)
    return begun


async def accept(exchange: Exchange, epoch: int, caller: Caller) -> BegunEpoch:
    """Begins the epoch that the other network declared, and releases its bundles. Raises WrongStateError."""
    async with exchange.context.database.transaction() as transaction:
        begun = await accept_epoch(transaction.connection, exchange.context, exchange.sources, epoch)
        told = {"previous": begun.previous}
        await record(transaction.connection, entry("custody.epoch_accepted", str(epoch), caller, told))
    # After the commit: a scan in between would refuse them once more. Killed here, they are delivered again anyway.
    released = await release_of_epoch(exchange.context, epoch)
    return BegunEpoch(begun.epoch, begun.previous, released)


def entry(action: str, resource: str, caller: Caller, data: Mapping[str, Any] | None = None) -> AuditEntry:
    """The audit row of an operator's decision."""
    return caller_entry(caller, action, resource_type=action.partition(".")[0], resource_id=resource, request_data=data)


def _parsed(numbers: str) -> list[int]:
    try:
        return parse_numbers(numbers)
    except ValueError as error:
        raise InvalidFieldError(f"{error}.", violations=[FieldViolation("numbers", f"{error}.")]) from None
