"""docs/permissions.md says of every method who may call it, and the real interceptor does as it says.

PERMISSIONS=write writes the document's tables anew; read the difference.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from airlock.common.v1 import permission_pb2

from common.auth.api_keys import CallerKey
from common.auth.permissions import ROLE_PERMISSIONS, permissions_of
from common.auth.principal import Principal
from common.auth.scopes import SCOPES, permissions_within
from common.errors import CredentialsMissingError, PermissionMissingError
from common.policy.limits import BASIC
from common.rpc.interceptors.sign_in import SignInInterceptor
from tests.unit.common.permission_table import ANY, NETWORKS, ROLES, Method, methods_of, scopes, services_of, tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airlock.common.v1.permission_pb2 import KeyUse, Permission

DOCUMENT = Path(__file__).parents[3] / "docs" / "permissions.md"
END = "<!-- end -->"
SCOPES_BEGIN = "<!-- scopes, written by PERMISSIONS=write -->\n\n"
METHODS_BEGIN = "<!-- methods, written by PERMISSIONS=write -->\n\n"
SOMEBODY = UUID(int=7)


def samples() -> list[tuple[str, Method]]:
    """A method of each permission that a network's methods require."""
    found: dict[tuple[str, Permission.ValueType, KeyUse.ValueType], Method] = {}
    for network in NETWORKS:
        for method in methods_of(network):
            found.setdefault((network, method.permission, method.by_key), method)
    return [(network, method) for (network, _, _), method in found.items()]


def test_the_tables_are_what_the_descriptors_and_the_roles_say() -> None:
    whole = DOCUMENT.read_text()
    for begin, table in ((SCOPES_BEGIN, scopes()), (METHODS_BEGIN, tables())):
        before, rest = whole.split(begin)
        whole = f"{before}{begin}{table}{END}{rest.partition(END)[2]}"
    if os.environ.get("PERMISSIONS") == "write":
        DOCUMENT.write_text(whole)
    assert DOCUMENT.read_text() == whole


def test_every_method_has_its_row_and_every_row_its_method() -> None:
    rows = re.findall(r"^\| (\w+)\.(\w+) \| `(\w+ [^`]+)` \| (\w+) \|", DOCUMENT.read_text(), re.MULTILINE)
    methods = {
        (method.service.rpartition(".")[2], method.name, method.route, method.permission)
        for one in NETWORKS
        for method in methods_of(one)
    }
    numbers = permission_pb2.Permission
    assert {(*row[:3], numbers.Value(f"PERMISSION_{row[3]}")) for row in rows} == methods


def test_the_roles_of_the_tables_are_all_that_there_are() -> None:
    assert set(ROLES) == set(ROLE_PERMISSIONS)


class Somebody:
    """Knows one caller, whatever he sends."""

    def __init__(self, principal: Principal) -> None:
        self._principal = principal

    async def identify(self, credential: str, address: str | None) -> Principal:
        return self._principal

    def admit(self, principal: Principal, permission: Permission.ValueType) -> Sequence[tuple[str, str]]:
        return ()


class Call:
    """As much of a call's context as is looked at."""

    def __init__(self, *metadata: tuple[str, str]) -> None:
        self._metadata = metadata

    def invocation_metadata(self) -> Any:
        return self._metadata


async def is_let_in(network: str, method: Method, principal: Principal | None) -> bool:
    """Whether the handler of the method would run."""
    unused = principal or person("user")
    interceptor = SignInInterceptor(Somebody(unused), services_of(network))
    call: Any = Call(*([("authorization", "Bearer x")] if principal is not None else []))
    try:
        async with interceptor.around(method.path, call):
            return True
    except (PermissionMissingError, CredentialsMissingError):
        return False


def person(role: str) -> Principal:
    return Principal(SOMEBODY, "somebody", role, SOMEBODY, permissions_of(role), BASIC, "basic")


@pytest.mark.parametrize(("network", "method"), samples(), ids=str)
@pytest.mark.parametrize("role", [*ROLES, "unheard_of"])
async def test_the_interceptor_lets_in_whom_the_table_names(network: str, method: Method, role: str) -> None:
    allowed = method.is_public if role == "unheard_of" else method.allows(role)
    assert await is_let_in(network, method, person(role)) == allowed


@pytest.mark.parametrize(("network", "method"), samples(), ids=str)
async def test_nobody_calls_what_is_not_public_without_signing_in(network: str, method: Method) -> None:
    assert await is_let_in(network, method, None) == method.is_public


@pytest.mark.parametrize(("network", "method"), samples(), ids=str)
@pytest.mark.parametrize("role", ROLES)
async def test_a_key_needs_the_scope_that_the_table_names_and_the_role(network: str, method: Method, role: str) -> None:
    key = CallerKey(SOMEBODY, "nightly", datetime.now(UTC))
    for held in ((), *((scope,) for scope in SCOPES), tuple(SCOPES)):
        caller = replace(person(role), permissions=permissions_within(held, role), key=key)
        named = method.key.strip("`") in held and method.allows(role)
        assert await is_let_in(network, method, caller) == (method.key == ANY or named)
