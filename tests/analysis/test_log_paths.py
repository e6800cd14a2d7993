"""Which files are logs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tau2tui.analysis.log_paths import find_logs
from tau2tui.errors import NothingToRead


def test_logs_are_found_by_name_and_rotations_come_first(tmp_path: Path) -> None:
    for name in ("a.log", "a.log.1", "a.log.10", "a.log.2", "b.out", "c.err", "d.txt", "e.json", "f.out.1", "log"):
        (tmp_path / name).touch()
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "g.log").touch()
    (tmp_path / "h.log").mkdir()
    names = [path.name for path in find_logs([tmp_path])]
    assert names == ["a.log.10", "a.log.2", "a.log.1", "a.log", "b.out", "c.err", "d.txt", "g.log"]


def test_a_named_file_is_taken_whatever_it_is_called_and_only_once(tmp_path: Path) -> None:
    odd, log = tmp_path / "odd.json", tmp_path / "a.log"
    odd.touch()
    log.touch()
    (tmp_path / "latest.log").symlink_to(log)
    assert find_logs([odd, tmp_path, log]) == (odd, log)


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NothingToRead, match=r"nowhere\.log: no such file"):
        find_logs([tmp_path / "nowhere.log"])
    with pytest.raises(NothingToRead, match="no logs"):
        find_logs([tmp_path])
