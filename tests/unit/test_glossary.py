"""The glossary explains every state that the code knows, and none that it does not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from request_svc.domain.api_key import ApiKeyState
from request_svc.domain.status import RequestStatus
from response_svc.domain.incoming_request import Status
from transfer.custody.state import Disposition

if TYPE_CHECKING:
    from enum import StrEnum

GLOSSARY = Path(__file__).parents[2] / "docs" / "glossary.md"


@pytest.mark.parametrize(
    ("title", "states"),
    [
        ("Request", RequestStatus),
        ("Incoming request", Status),
        ("API key", ApiKeyState),
        ("Number in a stream", Disposition),
    ],
)
def test_every_state_has_its_line(title: str, states: type[StrEnum]) -> None:
    table = GLOSSARY.read_text().split(f"**{title}**", 1)[1].split("\n\n")[1]
    assert set(re.findall(r"^\| `([a-z]+)` \|", table, re.MULTILINE)) == {str(state) for state in states}
