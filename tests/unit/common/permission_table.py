"""The tables of docs/permissions.md as descriptors and roles have them: every method of ours, and who may call it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from airlock.common.v1 import permission_pb2
from google.api import annotations_pb2
from google.protobuf import descriptor_pb2

from common.auth.permissions import ROLE_PERMISSIONS
from common.auth.scopes import SCOPES, scope_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airlock.common.v1.permission_pb2 import Permission

ROOT: Final = Path(__file__).parents[3]
DESCRIPTORS: Final = ROOT / "gen" / "descriptors"
PERMISSIONS: Final = ROOT / "protos" / "airlock" / "common" / "v1" / "permission.proto"
NETWORKS: Final = ("request", "response")
TITLES: Final = {
    ("request", "response"): "Both networks",
    ("request",): "The Request Network",
    ("response",): "The Response Network",
}
ROLES: Final = ("user", "operator", "admin", "system")
YES, NO, ANY = "●", "", "any"


@dataclass(frozen=True, slots=True)
class Method:
    """One method of ours. `service` is a full name."""

    service: str
    name: str
    route: str
    permission: Permission.ValueType
    by_key: permission_pb2.KeyUse.ValueType

    @property
    def path(self) -> str:
        """As gRPC calls it."""
        return f"/{self.service}/{self.name}"

    @property
    def is_public(self) -> bool:
        """Whether anybody may call it."""
        return self.permission == permission_pb2.PERMISSION_PUBLIC

    def allows(self, role: str) -> bool:
        """Whether somebody of that role may call it after signing in."""
        return self.is_public or self.permission in ROLE_PERMISSIONS[role]

    @property
    def key(self) -> str:
        """What an API key needs."""
        if self.is_public or self.by_key == permission_pb2.KEY_USE_ANY:
            return ANY
        if self.by_key == permission_pb2.KEY_USE_NONE:
            return NO
        scope = scope_name(self.permission)
        return f"`{scope}`" if scope in SCOPES else NO


def methods_of(network: str) -> list[Method]:
    """Every method of ours that the network's descriptors describe, by service and as it stands in its proto."""
    return [
        Method(
            f"{file.package}.{service.name}",
            method.name,
            _route(method.options),
            method.options.Extensions[permission_pb2.requires],
            method.options.Extensions[permission_pb2.by_key],
        )
        for file in _files(network)
        for service in file.service
        for method in service.method
    ]


def services_of(network: str) -> set[str]:
    """The services that the network's descriptors describe. Their descriptions are registered by it."""
    for file in _files(network):
        import_module(file.name.removesuffix(".proto").replace("/", ".") + "_pb2")
    return {method.service for method in methods_of(network)}


def tables() -> str:
    """The tables, as they stand in the document."""
    on = {network: methods_of(network) for network in NETWORKS}
    everywhere = {method: tuple(n for n in NETWORKS if method in on[n]) for n in NETWORKS for method in on[n]}
    parts: list[str] = []
    for networks, title in TITLES.items():
        here = [method for method, found_on in everywhere.items() if found_on == networks]
        parts += [f"## {title}", "", *_table(here, keys="request" in networks), ""]
    return "\n".join(parts)


def scopes() -> str:
    """The table of scopes, as it stands in the document, with what the proto says of their permissions."""
    said = re.findall(r"((?:  //.*\n)+)  (PERMISSION_\w+) =", PERMISSIONS.read_text())
    explained = {name: " ".join(re.findall(r"// (.*)", comment)) for comment, name in said}
    lines = [f"| scope | allows to | {' | '.join(ROLES)} |", f"|---|---|{':-:|' * len(ROLES)}"]
    for scope, permission in SCOPES.items():
        text = explained[permission_pb2.Permission.Name(permission)].rstrip(".")
        held = (YES if permission in ROLE_PERMISSIONS[role] else NO for role in ROLES)
        lines.append(_row(f"`{scope}`", text[:1].lower() + text[1:], *held))
    return "\n".join(lines) + "\n\n"


def _files(network: str) -> list[descriptor_pb2.FileDescriptorProto]:
    files = descriptor_pb2.FileDescriptorSet.FromString((DESCRIPTORS / f"{network}.binpb").read_bytes())
    return sorted((file for file in files.file if file.package.startswith("airlock.")), key=lambda file: file.name)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |".replace("  ", " ")


def _table(methods: Sequence[Method], *, keys: bool) -> Iterator[str]:
    yield _row("method", "REST", "permission", "public", *ROLES, *(["API key with"] if keys else []))
    yield f"|---|---|---|:-:|{':-:|' * len(ROLES)}{'---|' if keys else ''}"
    for method in methods:
        cells = [
            f"{method.service.rpartition('.')[2]}.{method.name}",
            f"`{method.route}`",
            permission_pb2.Permission.Name(method.permission).removeprefix("PERMISSION_"),
            YES if method.is_public else NO,
            *(YES if method.allows(role) else NO for role in ROLES),
            *([method.key] if keys else []),
        ]
        yield _row(*cells)


def _route(options: descriptor_pb2.MethodOptions) -> str:
    rule = options.Extensions[annotations_pb2.http]
    kind = rule.WhichOneof("pattern")
    return f"{str(kind).upper()} {getattr(rule, str(kind))}"
