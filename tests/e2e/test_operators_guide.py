"""`docs/operators-guide.md` shows what happens: it is played, session by session, on two networks.

Between the sessions, comments of the form `<!-- play … -->` say what the services and the courier do meanwhile. Set
GUIDE=write to put the present answers into the document.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text
from typer.testing import CliRunner

from common.keys import KeyFiles
from tests.two_networks import PASSWORD, User
from transfer.bundle.generate import generate_keys
from transfer.cli.program import app
from transfer.spool.copying import Disk
from transfer.spool.marker import Direction, make_marker

if TYPE_CHECKING:
    import pytest

    from tests.two_networks import Side, TwoNetworks

DOCUMENT = Path(__file__).parents[2] / "docs" / "operators-guide.md"
PIECE = re.compile(r"<!-- play\n(?P<play>.*?)-->|```console\n(?P<session>.*?)```", re.DOTALL)
STICK = "/media/stick"
UNSTEADY = (
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uuid>"),
    (r"\b[0-9a-f]{64}\b", "<sha256>"),
    (r"\b[0-9a-f]{16}\b", "<key id>"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)", "<time>"),
    (r"(?<!\d)\d{8}[_T]\d{6,12}", "<stamp>"),
    (r"\b1\d{9}\b", "<epoch>"),
    (r"\b\d+(\.\d+)? (B|KiB|MiB)\b", "<size>"),
    (r"\b\d+ (s|min|h|d)( \d+ (s|min|h))? ago", "<age>"),
    (r"\bby [\w.-]+:\d+", "by <process>"),
    (r"SHA-256 \S+", "SHA-256 <sha256>"),
    (r"\d+ bytes", "<n> bytes"),
    (r" +", " "),
)


async def test_every_session_of_the_guide_is_what_the_commands_say(
    networks: TwoNetworks, story_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the services log must not stand between the lines of the commands.
    monkeypatch.setattr("structlog.PrintLogger.msg", lambda *_arguments: None)
    for level in ("debug", "info", "warning", "error"):
        monkeypatch.setattr(f"structlog.PrintLogger.{level}", lambda *_arguments: None)
    player = Player(networks, story_folder)
    await player.begin()
    document, said, position = DOCUMENT.read_text(), [], 0
    for piece in PIECE.finditer(document):
        said.append(document[position : piece.start()])
        position = piece.end()
        if piece["play"] is not None:
            for line in piece["play"].splitlines():
                await player.do(line.strip())
            said.append(piece[0])
        else:
            said.append(f"```console\n{await player.session(piece['session'])}```")
    written = "".join([*said, document[position:]])
    if os.environ.get("GUIDE") == "write":
        DOCUMENT.write_text(written)
    assert steady(DOCUMENT.read_text()) == steady(written)


def steady(told: str) -> str:
    """The text without what differs from one run to the next."""
    for pattern, instead in UNSTEADY:
        told = re.sub(pattern, instead, told)
    return told


class Player:
    """Both networks, their operators, and the courier between them."""

    def __init__(self, networks: TwoNetworks, folder: Path) -> None:
        self.networks = networks
        self.sides = {"request": networks.request, "response": networks.response}
        self.folder = folder
        self.user: User | None = None
        self.room = Disk.room
        self.said: dict[str, str] = {}

    async def begin(self) -> None:
        """Each network has key files of its own; an operator is made on the master, and nothing has crossed yet."""
        for name, side in self.sides.items():
            keys = self.folder / "own-keys" / name
            keys.mkdir(parents=True)
            settings = side.settings
            for field in ("encryption_keyring_file", "signing_key_file", "peer_signing_keys_file"):
                source = getattr(settings, field)
                shutil.copy(source, keys / source.name)
                object.__setattr__(settings, field, keys / source.name)
            side._change_context(keys=KeyFiles(settings))
        response = self.networks.response
        metadata = await response.sign_in("admin")
        await self.networks.make_user(metadata, "sara")
        await self.networks.make_user(metadata, "mina", role="operator")

    async def session(self, text_: str) -> str:
        """Plays the commands of a session and returns it with their answers."""
        lines = [line for line in text_.splitlines() if re.match(r"(request|response)\$ ", line)]
        return "".join([await self._command(line) for line in lines])

    async def do(self, line: str) -> None:
        """One line of what happens between two sessions."""
        who, _, what = line.partition(": ")
        if who == "networks":
            await self._together(what)
        else:
            await self._alone(self.sides[who], what)

    async def _command(self, line: str) -> str:
        name, _, command = line.partition("$ ")
        side = self.sides[name]
        for word, value in self.said.items():
            command = command.replace(word, value)
        arguments = shlex.split(command.replace(STICK, str(self.networks.stick)))[1:]
        result = await asyncio.to_thread(
            CliRunner().invoke, app, arguments, env=self._environment(side), prog_name="transfer"
        )
        told = result.output.replace(str(self.networks.stick), STICK).replace(str(self.folder), "/srv")
        self._remember(command, told)
        code = f"[exit code {result.exit_code}]\n" if result.exit_code else ""
        body = "".join(f"{one.rstrip()}\n" for one in told.splitlines())
        return f"{line}\n{body}{code}"

    def _environment(self, side: Side) -> dict[str, str]:
        settings = side.settings
        return {
            "EXPORT_DIR": str(settings.export_dir),
            "IMPORT_DIR": str(settings.import_dir),
            "AIRLOCK_NETWORK": settings.network_name,
            "AIRLOCK_SERVER": side._address,
            "AIRLOCK_USERNAME": "mina",
            "AIRLOCK_PASSWORD": PASSWORD,
            "AIRLOCK_OPERATOR": f"mina@{settings.network_name}",
            "ENCRYPTION_KEYRING_FILE": str(settings.encryption_keyring_file),
            "SIGNING_KEY_FILE": str(settings.signing_key_file),
            "COLUMNS": "120",
        }

    def _remember(self, command: str, told: str) -> None:
        """What later commands name: a quarantined file, an epoch, a key."""
        for pattern, word in (
            (r"^(\S+\.pb\.enc)  [a-z-]+  ", "QUARANTINED"),
            (r"transfer epoch accept (\d+)", "EPOCH"),
            (r"^ +(\d+)  requests +sealed", "NUMBER"),
            (r"transfer keys revoke ([0-9a-f]{64})", "OLD_KEY"),
        ):
            if found := re.search(pattern, told, re.MULTILINE):
                self.said[word] = found[1]

    async def _alone(self, side: Side, what: str) -> None:
        match what.split():
            case ["export", kind]:
                await side.export(kind)
            case ["import"]:
                await side.import_()
            case ["execute"]:
                await self.networks.execute()
            case ["back", "up"]:
                await back_up(side)
            case ["restore"]:
                await restore(side)
            case ["sign", "with", *_]:
                made = generate_keys(self.folder / "new-keys")
                shutil.copy(made.request_signing_key, side.settings.signing_key_file)
                shutil.copy(made.request_public_key, self.folder / "new.pub")
            case ["trust", *_]:
                trusted = side.settings.peer_signing_keys_file
                trusted.write_bytes(trusted.read_bytes() + (self.folder / "new.pub").read_bytes())
            case _:
                raise AssertionError(what)

    async def _together(self, what: str) -> None:
        networks = self.networks
        match what.split():
            case ["sign", "in"]:
                await networks.request.app.auth.policy.refresh()
                self.user = User(networks.request, await networks.request.sign_in("sara"))
            case ["ask", number]:
                assert self.user is not None
                for _ in range(int(number)):
                    await self.user.submit()
            case ["mount", _]:
                pass
            case ["mount", _, "as", name, direction]:
                networks.wipe()
                make_marker(networks.stick, name, Direction(direction))
            case ["carry", name]:
                self._carry(name)
            case ["full"]:
                self.room, Disk.room = Disk.room, lambda _disk, _folder: 1000  # type: ignore[method-assign]
            case ["not", "full"]:
                Disk.room = self.room  # type: ignore[method-assign]
            case ["bring", "the", "keyring", *_]:
                own = networks.request.settings.encryption_keyring_file
                shutil.copy(networks.response.settings.encryption_keyring_file, own)
            case ["everything", *_]:
                for _ in range(3):
                    for name, side in self.sides.items():
                        await side.app.exchange.export_status()
                        self._carry(name)
                    for side in self.sides.values():
                        await side.import_()
                for side, kinds in (
                    (networks.request, ["requests"]),
                    (networks.response, ["users", "profile_types", "settings", "responses"]),
                ):
                    for kind in kinds:
                        await side.export(kind)
            case _:
                raise AssertionError(what)

    def _carry(self, name: str) -> None:
        """A walk that is not shown, with a stick of its own."""
        source = self.sides[name]
        other = self.sides["response" if name == "request" else "request"]
        self.networks.wipe()
        self.networks.carry(source, other)


async def _tables(side: Side) -> list[str]:
    statement = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
    async with side.app.database.transaction() as transaction:
        return list(await transaction.connection.scalars(text(statement)))


async def back_up(side: Side) -> None:
    """A copy of every table, beside them."""
    tables = await _tables(side)
    async with side.as_superuser() as connection:
        await connection.execute(text("CREATE SCHEMA backup"))
        for table in tables:
            await connection.execute(text(f"CREATE TABLE backup.{table} AS TABLE public.{table}"))


async def restore(side: Side) -> None:
    """The tables are what they were."""
    tables = await _tables(side)
    async with side.as_superuser() as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        await connection.execute(text(f"TRUNCATE {', '.join(tables)} CASCADE"))
        for table in tables:
            statement = f"INSERT INTO public.{table} OVERRIDING SYSTEM VALUE SELECT * FROM backup.{table}"  # noqa: S608 - names of our own.
            await connection.execute(text(statement))
