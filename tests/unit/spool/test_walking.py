"""Looking through a medium that was made to mislead: links, depths, numbers, and changes under the reader's feet."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

import pytest

from transfer.errors import MediumError, MediumMissingError, SpoolError
from transfer.spool import walking
from transfer.spool.inbox import Inbox
from transfer.spool.outbox import Outbox
from transfer.spool.places import refuse_nesting
from transfer.spool.walking import open_found, opened_medium, walk

if TYPE_CHECKING:
    from pathlib import Path


def walked(medium: Path) -> dict[str, str | None]:
    with opened_medium(medium) as root:
        return {str(found.path): found.obstacle for found in walk(root)}


def test_files_of_all_folders_are_found_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b/2", "b/1", "a/9", "c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    with opened_medium(tmp_path) as root:
        assert [str(found.path) for found in walk(root)] == ["c", "a/9", "b/1", "b/2"]


def test_a_circle_of_links_ends(tmp_path: Path) -> None:
    (tmp_path / "again").symlink_to(tmp_path)
    assert walked(tmp_path) == {"again": "is a link, and links are not followed"}


def test_a_folder_that_is_too_deep_is_reported(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*("d" for _ in range(walking.MAX_DEPTH + 1)))
    deep.mkdir(parents=True)
    (deep / "file").write_bytes(b"x")
    ((path, obstacle),) = walked(tmp_path).items()
    assert path == "/".join("d" for _ in range(walking.MAX_DEPTH))
    assert obstacle == f"is a folder more than {walking.MAX_DEPTH} deep"


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walking, "MAX_ENTRIES", 3)
    for number in range(4):
        (tmp_path / str(number)).write_bytes(b"x")
    with pytest.raises(MediumError, match="more than 3 files"):
        walked(tmp_path)


def test_a_file_exchanged_for_a_link_after_the_walk_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with opened_medium(tmp_path) as root:
        (found,) = walk(root)
        (tmp_path / "file").unlink()
        (tmp_path / "file").symlink_to("/etc/passwd")
        with pytest.raises(SpoolError):
            open_found(root, found.path)


def test_a_folder_exchanged_for_a_link_after_the_walk_is_not_entered(tmp_path: Path) -> None:
    (tmp_path / "medium" / "folder").mkdir(parents=True)
    (tmp_path / "medium" / "folder" / "passwd").write_bytes(b"x")
    with opened_medium(tmp_path / "medium") as root:
        (found,) = walk(root)
        (tmp_path / "medium" / "folder").rename(tmp_path / "elsewhere")
        (tmp_path / "medium" / "folder").symlink_to("/etc")
        with pytest.raises(SpoolError):
            open_found(root, found.path)


def test_a_folder_in_the_place_of_a_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with opened_medium(tmp_path) as root, pytest.raises(MediumError):
        open_found(root, PurePath("folder"))


def test_a_medium_that_is_a_file_or_absent_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    for name in ("file", "absent"):
        with pytest.raises(MediumMissingError, match=name), opened_medium(tmp_path / name):
            pass


@pytest.mark.parametrize(("spool", "medium"), [("a", "a"), ("a", "a/b"), ("a/b", "a"), ("a", "link")])
def test_a_medium_and_a_spool_never_lie_in_one_another(tmp_path: Path, spool: str, medium: str) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    with pytest.raises(MediumError):
        refuse_nesting(tmp_path / spool, tmp_path / medium)
    refuse_nesting(tmp_path / "a", tmp_path / "ab")


def test_a_network_s_own_folder_is_no_medium(tmp_path: Path) -> None:
    Outbox(tmp_path / "export").make_folders()
    Inbox(tmp_path / "import").make_folders()
    for medium in ("export", "import"):
        with pytest.raises(MediumError, match="not a medium"):
            refuse_nesting(tmp_path / "elsewhere", tmp_path / medium)
