"""What `up` and `status` print: addresses, sign-in, and commands that can be pasted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil
from rich.table import Table

if TYPE_CHECKING:
    from sandbox.background import State
    from sandbox.screen import Screen


def show_guide(screen: Screen, state: State) -> None:
    """Where everything is, and a first session to paste."""
    show_addresses(screen, state)
    request, user = state.request, "analyst"
    screen.heading("Try it")
    screen.plain(
        f"""\
  CA={request.authority}
  URL={request.url}
  TOKEN=$(curl -s --cacert $CA $URL/api/v1/auth/login \\
    -d '{{"username":"{user}","password":"{state.passwords[user]}"}}' \\
    | python3 -c 'import json,sys; print(json.load(sys.stdin)["tokens"]["access_token"])')
  curl -s --cacert $CA -H "authorization: Bearer $TOKEN" "$URL/api/v1/requests?index=cities" \\
    -H 'content-type: application/json' -d '{{"query": {{"match": {{"alternate_names": "تهران"}}}}, "size": 3}}'
  airlock-sandbox carry          # plays the courier: out, searched, and back
  curl -s --cacert $CA -H "authorization: Bearer $TOKEN" "$URL/api/v1/requests"
  grpcurl -cacert $CA -H "authorization: Bearer $TOKEN" {request.target} airlock.request.v1.RequestService/ListRequests
"""
    )


def show_addresses(screen: Screen, state: State) -> None:
    """Both doors, and who may enter."""
    table = Table(title="Both networks are running", title_style="bold", title_justify="left")
    for name in ("", "Request Network", "Response Network"):
        table.add_column(name, overflow="fold")
    both = (state.request, state.response)
    table.add_row("REST, gRPC, gRPC-Web", *(one.url for one in both))
    table.add_row("certificate authority", *(one.authority for one in both))
    table.add_row("bundles to carry away", *(one.export_dir for one in both))
    table.add_row("bundles carried here", *(one.import_dir for one in both))
    sign_in = [f"{name} / {password}" for name, password in state.passwords.items()]
    here = [line for line in sign_in if not line.startswith("admin")]
    table.add_row("sign-in", "\n".join(here), "\n".join(sign_in))
    screen.console.print(table)


def show_processes(screen: Screen, state: State) -> None:
    """The addresses, and each program with its state."""
    show_addresses(screen, state)
    table = Table(title="Programs", title_style="bold", title_justify="left")
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
