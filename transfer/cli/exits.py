"""The exit codes of `transfer`, and which one each kind of failure gives. Scripts rely on them."""

from __future__ import annotations

from enum import IntEnum

from transfer.cli.errors import AccessDeniedError, ServerUnreachableError, SettingMissingError, UsageRefusedError
from transfer.errors import (
    KeyFileError,
    KeysExistError,
    MediumError,
    MediumLostError,
    MediumRetiredError,
    MixedDirectionsError,
    NoSpaceError,
    NotQuarantinedError,
    PlaceTakenError,
    ReadBackError,
    SpoolError,
    TransferError,
    WrongMediumError,
)


class ExitCode(IntEnum):
    """How a command ended. With several files it is the code of the first that failed; the others are still tried."""

    DONE = 0
    """Everything that was asked for holds now, also when there was nothing left to do."""
    REFUSED = 1
    """A bundle, a record or the server's answer was refused; the reason is on standard error."""
    USAGE = 2
    """The command line is wrong; nothing was done."""
    MISSING = 3
    """A folder, medium, key file or setting is missing or cannot be used."""
    NO_SPACE = 4
    """The disk or medium is full; what was finished before stays valid."""
    UNREACHABLE = 5
    """The server does not answer, or its certificate is not trusted."""
    DENIED = 6
    """The server answers, but sign-in failed or the role does not allow the call."""
    FAULT = 70
    """A fault of `transfer` itself; a traceback is on standard error."""
    INTERRUPTED = 130
    """Stopped by Ctrl-C; no half file stays behind, run the same command again."""


_CODES: tuple[tuple[type[TransferError], ExitCode], ...] = (
    (NoSpaceError, ExitCode.NO_SPACE),
    (UsageRefusedError, ExitCode.USAGE),
    (SettingMissingError, ExitCode.MISSING),
    (KeysExistError, ExitCode.REFUSED),
    (KeyFileError, ExitCode.MISSING),
    (NotQuarantinedError, ExitCode.REFUSED),
    (SpoolError, ExitCode.MISSING),
    (MixedDirectionsError, ExitCode.USAGE),
    (ReadBackError, ExitCode.REFUSED),
    (WrongMediumError, ExitCode.REFUSED),
    (MediumLostError, ExitCode.REFUSED),
    (MediumRetiredError, ExitCode.REFUSED),
    (PlaceTakenError, ExitCode.REFUSED),
    (MediumError, ExitCode.MISSING),
    (ServerUnreachableError, ExitCode.UNREACHABLE),
    (AccessDeniedError, ExitCode.DENIED),
)


def exit_code_of(error: TransferError) -> ExitCode:
    """The code for one failure; whatever is not in the table was refused."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.REFUSED)
