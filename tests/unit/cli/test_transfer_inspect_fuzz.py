"""Whatever bytes a file holds, `transfer inspect` shows a bundle or says why it is none; nothing else ever escapes."""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from transfer.bundle.layout import MAGIC, PRELUDE_BYTES, TRAILER_MAGIC, Trailer, TrailerSignature, pack_prelude
from transfer.bundle.reader import summary
from transfer.cli.program import app
from transfer.errors import BundleError

if TYPE_CHECKING:
    from pathlib import Path

CASES = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def sound(prepared: Path) -> bytes:
    return (prepared / "sound.pb.enc").read_bytes()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "file.pb.enc"


def only_bundle_errors(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with contextlib.suppress(BundleError):
        summary(file)


@CASES
@given(st.binary(max_size=2000))
@example(b"")
@example(MAGIC)
@example(TRAILER_MAGIC * 100)
def test_any_bytes(file: Path, content: bytes) -> None:
    only_bundle_errors(file, content)


@CASES
@given(st.binary(max_size=300), st.integers(0, 2**32 - 1), st.integers(0, 2**16 - 1), st.integers(0, 2**16 - 1))
def test_any_bytes_after_a_prelude_that_may_lie(file: Path, rest: bytes, length: int, major: int, flags: int) -> None:
    prelude = MAGIC + major.to_bytes(2, "big") + flags.to_bytes(2, "big") + length.to_bytes(4, "big")
    only_bundle_errors(file, prelude + rest)


@CASES
@given(st.binary(min_size=1, max_size=200), st.binary(max_size=200), st.integers(1, 8))
def test_any_header_under_a_right_hash(file: Path, header: bytes, payload: bytes, signatures: int) -> None:
    body = pack_prelude(len(header)) + header + payload
    signed = tuple(TrailerSignature(1, bytes([number]) * 32, bytes(64)) for number in range(signatures))
    only_bundle_errors(file, body + Trailer(signed, hashlib.sha256(body).digest()).pack())


@CASES
@given(data=st.data())
def test_any_change_to_a_sound_bundle_is_refused(file: Path, sound: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(sound)))
    end = data.draw(st.integers(start, len(sound)))
    changed = sound[:start] + data.draw(st.binary(max_size=64)) + sound[end:]
    file.write_bytes(changed)
    if changed == sound:
        return
    # Signatures are no part of the hash, and inspecting checks none: a change within them alone is not seen here.
    try:
        found = summary(file)
    except BundleError:
        return
    assert changed[: -found.trailer_bytes] == sound[: -found.trailer_bytes]


@settings(CASES, max_examples=60)
@given(st.one_of(st.binary(max_size=400), st.binary(max_size=400).map(lambda rest: pack_prelude(PRELUDE_BYTES) + rest)))
def test_the_command_ends_with_words_and_never_with_a_traceback(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    result = CliRunner().invoke(app, ["inspect", str(file)])
    assert result.exit_code == 1
    assert "error: " in result.stderr
    assert "next: " in result.stderr
    assert "Traceback" not in result.stderr
