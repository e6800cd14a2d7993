"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tau2tui.files import write_atomically


@pytest.fixture
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.parametrize("content", ["né", "né".encode(), memoryview("né".encode())])
def test_text_and_bytes_replace_what_was_there(tmp_path: Path, content: str | bytes | memoryview) -> None:
    file = tmp_path / "file"
    file.write_text("something longer")
    write_atomically(file, content, durable=True)
    assert file.read_text(encoding="utf-8") == "né"
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_is_readable_for_whom_it_is_meant(tmp_path: Path, usual_umask: None) -> None:
    write_atomically(tmp_path / "ours", "")
    write_atomically(tmp_path / "mine", "", mode=0o600)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("ours", "mine")] == [0o644, 0o600]


def test_a_link_under_the_name_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "foreign").write_text("theirs")
    (tmp_path / "file").symlink_to(tmp_path / "foreign")
    write_atomically(tmp_path / "file", "ours")
    assert (tmp_path / "foreign").read_text() == "theirs" and not (tmp_path / "file").is_symlink()


def test_the_longest_name_that_a_file_system_allows_can_be_written(tmp_path: Path) -> None:
    write_atomically(tmp_path / ("x" * 255), "")


def test_directories_are_made_only_where_that_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "none" / "file", "")
    write_atomically(tmp_path / "some" / "more" / "file", "", parents=True)
    assert (tmp_path / "some/more/file").exists()


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        write_atomically(tmp_path / "taken", "")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(tmp_path / "file", "\ud800")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
