"""Files appear whole or not at all."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from transfer.errors import NoSpaceError, SpoolError
from transfer.spool import durable

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    durable.write_durably(path, b"old")
    durable.write_durably(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file_and_no_half_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    durable.write_durably(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NoSpaceError, match="No space left") as refusal:
        durable.write_durably(path, b"new")
    assert refusal.value.defect == "no-space"
    assert "Free space" in refusal.value.next_step
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_copy_does_not_show_before_it_is_whole(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(os.urandom(3 << 20))
    durable.copy_durably(source, target)
    assert target.read_bytes() == source.read_bytes()
    with pytest.raises(SpoolError, match="No such file"):
        durable.copy_durably(tmp_path / "missing", tmp_path / "other")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source", "target"]


def test_what_the_system_says_is_named_with_the_path(tmp_path: Path) -> None:
    with pytest.raises(SpoolError, match=r"Renaming to .*target failed: No such file"):
        durable.replace_durably(tmp_path / "missing", tmp_path / "target")
    with pytest.raises(SpoolError, match=r"Flushing .* failed"):
        durable.fsync_directory(tmp_path / "missing")
    (tmp_path / "file").touch()
    with pytest.raises(SpoolError, match="Making the folder"):
        durable.make_folder(tmp_path / "file" / "below")
    with pytest.raises(SpoolError, match="Removing"):
        durable.remove_durably(tmp_path)


def test_removing_says_whether_there_was_something(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert durable.remove_durably(tmp_path / "file")
    assert not durable.remove_durably(tmp_path / "file")
