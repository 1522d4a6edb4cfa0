"""The document of the policy lists every setting as the registry has it, and every call of the three services."""

from __future__ import annotations

import re
from pathlib import Path

from airlock.response.v1 import profile_type_service_pb2, search_policy_service_pb2, settings_service_pb2
from google.api import annotations_pb2

from common.policy.settings import SETTINGS

DOCUMENT = (Path(__file__).parents[2] / "docs" / "policy.md").read_text()


def test_every_setting_is_listed_as_the_registry_has_it() -> None:
    expected = [
        f"| `{key}` | {setting.allowed} | {str(setting.default).lower()} | {setting.description} |"
        for key, setting in sorted(SETTINGS.items())
    ]
    table = DOCUMENT.split("| setting | values | default | meaning |", 1)[1].split("\n\n", 1)[0]
    assert table.strip().splitlines()[1:] == expected


def test_every_kind_of_call_is_shown() -> None:
    for file in (profile_type_service_pb2, settings_service_pb2, search_policy_service_pb2):
        for service in file.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                rule = method.GetOptions().Extensions[annotations_pb2.http]
                path = getattr(rule, rule.WhichOneof("pattern"))
                shown = re.escape(path).replace(re.escape("{name}"), r"[a-z]+").replace(re.escape("{key}"), r"[a-z_.]+")
                assert re.search(shown, DOCUMENT), path
