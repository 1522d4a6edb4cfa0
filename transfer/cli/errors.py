"""What can go wrong in the command line alone; errors of bundles, keys, folders and media are in `transfer.errors`."""

from __future__ import annotations

from transfer.errors import TransferError


class CommandError(TransferError):
    """A command cannot do what it was asked."""

    defect = "command"
    default_next_step = "`transfer COMMAND --help` shows what the command needs."


class UsageRefusedError(CommandError):
    """The command line is wrong."""

    defect = "usage"


class SettingMissingError(CommandError):
    """An option or environment variable that the command needs is not set."""

    defect = "setting-missing"


class FileUnusableError(SettingMissingError):
    """A file that was named on the command line cannot be read."""

    defect = "file-unusable"
    default_next_step = "Check the path, and that this account may read it or write there."


class FileExistsAlreadyError(CommandError):
    """A file would be overwritten by another one."""

    defect = "file-exists"
    default_next_step = "Name another file, or move the old one away."


class RecordLineError(CommandError):
    """A line of the input is not a record of the bundle's kind. Nothing is sealed."""

    defect = "record-line"
    default_next_step = "`transfer cat` prints records in the form that is expected."


class ServerUnreachableError(CommandError):
    """The server does not answer."""

    defect = "server-unreachable"
    default_next_step = "Check the address, the network and that the service runs; then run the same command again."


class AccessDeniedError(CommandError):
    """The server refuses this user or token."""

    defect = "access-denied"
    default_next_step = "Sign in as a user with the role operator, admin or system, or take a fresh token."


class ServerRefusedError(CommandError):
    """The server answers the call with a refusal."""

    defect = "server-refused"
    default_next_step = "The server's log has the cause under the request id."


class TransferMismatchError(CommandError):
    """What arrived is not what was announced: another size or another checksum."""

    defect = "transfer-mismatch"
    default_next_step = "Run the same command again; files that are whole are skipped."


class NotWaitingError(CommandError):
    """A bundle that is asked for does not wait to be carried."""

    defect = "not-waiting"
    default_next_step = "Nothing is to be carried for them; what was given up goes out again under other numbers."


class KeyInUseError(CommandError):
    """A key is to be destroyed while bundles need it."""

    defect = "key-in-use"
    default_next_step = "Wait until they are acknowledged or imported; `transfer status` shows them."
