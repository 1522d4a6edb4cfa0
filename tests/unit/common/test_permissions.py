"""Who may do what, as the descriptors and the roles say it together."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from airlock.common.v1 import permission_pb2
from google.api import annotations_pb2
from google.protobuf import descriptor_pb2

from common.auth.permissions import ROLE_PERMISSIONS, permissions_of

DESCRIPTORS = Path(__file__).parents[3] / "gen" / "descriptors"
PUBLIC = {
    "airlock.auth.v1.AuthService.Login",
    "airlock.auth.v1.AuthService.RefreshToken",
    "airlock.ops.v1.HealthService.GetHealth",
    "airlock.ops.v1.HealthService.GetReadiness",
}


def methods(network: str) -> dict[str, descriptor_pb2.MethodOptions]:
    files = descriptor_pb2.FileDescriptorSet.FromString((DESCRIPTORS / f"{network}.binpb").read_bytes())
    return {
        f"{file.package}.{service.name}.{method.name}": method.options
        for file in files.file
        if file.package.startswith("airlock.")
        for service in file.service
        for method in service.method
    }


@pytest.mark.parametrize("network", ["request", "response"])
def test_every_method_declares_a_permission_and_a_route(network: str) -> None:
    found = methods(network)
    assert found
    for name, options in found.items():
        assert options.Extensions[permission_pb2.requires] != permission_pb2.PERMISSION_UNSPECIFIED, name
        assert options.Extensions[annotations_pb2.http].WhichOneof("pattern"), name


@pytest.mark.parametrize("network", ["request", "response"])
def test_only_sign_in_and_simple_health_are_public(network: str) -> None:
    public = {
        name
        for name, options in methods(network).items()
        if options.Extensions[permission_pb2.requires] == permission_pb2.PERMISSION_PUBLIC
    }
    assert public == PUBLIC


@pytest.mark.parametrize("network", ["request", "response"])
def test_every_required_permission_is_held_by_the_admin(network: str) -> None:
    required = {options.Extensions[permission_pb2.requires] for options in methods(network).values()}
    assert required - {permission_pb2.PERMISSION_PUBLIC} <= permissions_of("admin")


def test_the_request_network_offers_no_way_to_create_a_user() -> None:
    assert not [
        name
        for name, options in methods("request").items()
        if options.Extensions[permission_pb2.requires] == permission_pb2.PERMISSION_MANAGE_USERS
    ]


NAMES_OF_CHANGES = re.compile("User|Password|Account|Admin|Role|ProfileType", re.IGNORECASE)
READING = re.compile("Get|List|Watch")


def test_no_method_of_the_request_network_makes_or_changes_users_or_passwords() -> None:
    """Its sign-in changes sessions, and nothing else that concerns a user can be called but to read it."""
    about_users = {
        name.rpartition(".")[2] for name in methods("request") if NAMES_OF_CHANGES.search(name.split(".")[-1])
    }
    assert about_users == {"ListUsers", "GetUser"}
    replica = [name.rpartition(".")[2] for name in methods("request") if "UserReplicaService" in name]
    assert replica
    assert all(READING.match(name) for name in replica)
    served = {name.rpartition(".")[0] for name in methods("request")}
    assert "airlock.response.v1.UserService" not in served


def test_no_field_of_the_request_networks_calls_takes_a_password_but_that_of_sign_in() -> None:
    files = descriptor_pb2.FileDescriptorSet.FromString((DESCRIPTORS / "request.binpb").read_bytes())
    holding = {
        f"{message.name}.{field.name}"
        for file in files.file
        if file.package.startswith("airlock.") and "bundle" not in file.package
        for message in file.message_type
        for field in message.field
        if "password" in field.name
    }
    assert holding == {"LoginRequest.password"}


def test_only_the_admin_manages_users() -> None:
    holders = {role for role, held in ROLE_PERMISSIONS.items() if permission_pb2.PERMISSION_MANAGE_USERS in held}
    assert holders == {"admin"}


def test_a_user_neither_sees_operations_nor_transfers() -> None:
    held = permissions_of("user")
    assert permission_pb2.PERMISSION_READ_OPERATIONS not in held
    assert permission_pb2.PERMISSION_OPERATE not in held
    assert permission_pb2.PERMISSION_TRANSFER not in held
    assert permission_pb2.PERMISSION_READ_USERS not in held


def test_nobody_holds_the_unspecified_permission() -> None:
    assert all(permission_pb2.PERMISSION_UNSPECIFIED not in held for held in ROLE_PERMISSIONS.values())
