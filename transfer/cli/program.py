"""The list of all commands, and how a wrong command line is answered."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from transfer.cli import carry, contents, keys, looking, media, status, streams, wire, writing
from transfer.cli.errors import UsageRefusedError
from transfer.cli.exits import ExitCode
from transfer.cli.output import Output
from transfer.cli.quarantine import quarantine_app

if TYPE_CHECKING:
    from collections.abc import Sequence


class Program(TyperGroup):
    """Answers a wrong command line in the same form as every other refusal: cause, next step, exit code."""

    def main(  # noqa: D102 - the base class says it
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,  # noqa: ANN401 - the form of the base class
    ) -> Any:  # noqa: ANN401 - the form of the base class
        try:
            code = super().main(args, prog_name, complete_var, False, windows_expand_args, **extra)
        except typer.TyperException as error:
            if not standalone_mode:
                raise
            # Typer's own text may end with or without a full stop; ours always does.
            message = " ".join(error.format_message().split())
            message = message if message.endswith(("?", ".")) else f"{message}."
            context = getattr(error, "ctx", None)
            command = context.command_path if context is not None else "transfer"
            Output(as_json=False).failure(UsageRefusedError(message, next_step=f"See `{command} --help`."))
            sys.exit(ExitCode.USAGE)
        except typer.Abort:
            sys.exit(ExitCode.INTERRUPTED)
        sys.exit(code if isinstance(code, int) else ExitCode.DONE)


app = typer.Typer(
    cls=Program,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Carry sealed bundles between two networks that never touch, and look into them.",
    epilog="Exit codes: 0 done, 1 refused, 2 wrong usage, 3 something is missing, 4 no space, 5 server unreachable, "
    "6 access denied, 70 a fault of transfer itself, 130 stopped by Ctrl-C.",
)


@app.callback(invoke_without_command=True)
def _no_command(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(ExitCode.USAGE)


app.command("keygen", rich_help_panel="Set up")(keys.keygen)
app.add_typer(keys.keys_app, name="keys", rich_help_panel="Set up")
app.add_typer(media.medium_app, name="medium", rich_help_panel="Set up")
app.command("take", rich_help_panel="Carry")(carry.take)
app.command("deliver", rich_help_panel="Carry")(carry.deliver)
app.command("resend", rich_help_panel="Carry")(carry.resend)
app.command("status", rich_help_panel="Keep watch")(status.status)
app.command("journal", rich_help_panel="Keep watch")(media.journal)
app.command("report", rich_help_panel="Keep watch")(streams.report)
app.add_typer(quarantine_app, name="quarantine", rich_help_panel="Keep watch")
app.command("void", rich_help_panel="Decide")(streams.void)
app.add_typer(streams.epoch_app, name="epoch", rich_help_panel="Decide")
app.command("inspect", rich_help_panel="Look")(looking.inspect)
app.command("verify", rich_help_panel="Look")(looking.verify)
app.command("cat", rich_help_panel="Look")(contents.cat)
app.command("write", rich_help_panel="Make")(writing.write)
app.command("export", rich_help_panel="Over the wire")(wire.export_bundles)
app.command("import", rich_help_panel="Over the wire")(wire.import_bundles)
