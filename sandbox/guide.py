"""What `up` and `status` print: addresses, sign-in, and commands that can be pasted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from sandbox.background import COURIER, USER
from sandbox.pair import ADMIN
from sandbox.processes import PROGRAMS

if TYPE_CHECKING:
    from sandbox.background import State
    from sandbox.screen import Screen

_ROLES = {USER: "asks", COURIER: "operator: carries, and decides about streams", ADMIN: "admin: users and settings"}


def show_guide(screen: Screen, state: State) -> None:
    """Where everything is, and a first session to paste."""
    show_addresses(screen, state)
    screen.heading("Try it")
    screen.plain(f"""\
CA={state.request.authority}
URL={state.request.url}
TOKEN=$(curl -s --cacert $CA $URL/api/v1/auth/login -d '{{"username":"{USER}","password":"{state.passwords[USER]}"}}' \\
  | python3 -c 'import json,sys; print(json.load(sys.stdin)["tokens"]["access_token"])')
curl -s --cacert $CA -H "authorization: Bearer $TOKEN" "$URL/api/v1/requests?index=cities" \\
  -H 'content-type: application/json' -d '{{"query": {{"match": {{"alternate_names": "تهران"}}}}, "size": 3}}'
{_program("airlock-sandbox")} carry   # plays the courier: out, searched, and back
curl -s --cacert $CA -H "authorization: Bearer $TOKEN" "$URL/api/v1/requests"
{_program("grpcurl")} -cacert $CA -H "authorization: Bearer $TOKEN" {state.request.target} \\
  airlock.request.v1.RequestService/ListRequests
(set -a; . {state.request.profile}; {_program("transfer")} status)   # as that network's operator
""")


def show_addresses(screen: Screen, state: State) -> None:
    """Both doors, and who may enter; in lines, so that paths can be copied."""
    for name, sight in (("Request Network", state.request), ("Response Network", state.response)):
        screen.heading(name)
        screen.plain(f"  REST, gRPC and gRPC-Web  {sight.url}")
        screen.plain(f"  certificate authority    {sight.authority}")
        screen.plain(f"  bundles leave from       {sight.export_dir}")
        screen.plain(f"  bundles are brought to   {sight.import_dir}")
        screen.plain(f"  database                 {sight.database_url}")
        screen.plain(f"  operator's settings      {sight.profile}")
    screen.heading("Sign-in, the same in both networks, unless somebody changed it")
    for name, password in state.passwords.items():
        screen.plain(f"  {name:10} {password}  {_ROLES.get(name, '')}".rstrip())


def show_processes(screen: Screen, state: State) -> None:
    """The addresses, and each program with its state."""
    show_addresses(screen, state)
    screen.console.print()
    table = screen.table("Programs")
    for name in ("network", "program", "process", "state", "memory MiB"):
        table.add_column(name)
    for network, sight in (("request", state.request), ("response", state.response)):
        for program, pid in sight.processes.items():
            table.add_row(network, program, str(pid), *_look(pid))
    screen.console.print(table)


def _look(pid: int) -> tuple[str, str]:
    try:
        process = psutil.Process(pid)
        return process.status(), str(process.memory_info().rss // 2**20)
    except psutil.NoSuchProcess:
        return "[red]ended[/]", ""


def _program(name: str) -> str:
    """A program of this environment, as it can be pasted from where the caller stands."""
    path = PROGRAMS / name
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
