"""Readers are started before a word has loaded, where they will be needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tau2tui.analysis import ahead
from tau2tui.analysis.ahead import start_readers
from tau2tui.analysis.scan import read_logs
from tests.analysis.made_logs import LogMaker
from tests.processes import loaded_by


class Expected:
    """Notes how many bytes are expected to be read."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def start(self, size: int) -> None:
        self.sizes.append(size)


@pytest.fixture
def expected(monkeypatch: pytest.MonkeyPatch) -> Expected:
    expected = Expected()
    monkeypatch.setattr(ahead, "READERS", expected)
    return expected


def test_what_will_be_read_is_all_that_is_not_kept(
    tmp_path: Path, expected: Expected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "logs").mkdir()
    logs = LogMaker(3).write(tmp_path / "logs", 20_000)
    sizes = [log.stat().st_size for log in logs]
    largest = max(logs, key=lambda log: log.stat().st_size)
    start_readers([tmp_path / "logs"], use_cache=True)
    read_logs([largest], use_cache=True)
    start_readers([tmp_path / "logs"], use_cache=True)
    start_readers([tmp_path / "logs"], use_cache=False)
    assert expected.sizes == [sum(sizes), sum(sizes) - largest.stat().st_size, sum(sizes)]


def test_of_a_run_only_its_logs_are_looked_at(tmp_path: Path, expected: Expected) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "units").mkdir()
    (tmp_path / "logs" / "fullrun.log").write_text("x" * 100)
    (tmp_path / "units" / "other.log").write_text("x" * 1000)
    start_readers([tmp_path], use_cache=False)
    (tmp_path / "run.toml").touch()
    start_readers([tmp_path], use_cache=False)
    assert expected.sizes == [1100, 100]


def test_paths_with_which_something_is_wrong_are_left_to_who_reads_them(tmp_path: Path, expected: Expected) -> None:
    start_readers([tmp_path / "nowhere"], use_cache=False)
    start_readers([tmp_path], use_cache=False)
    assert not expected.sizes


def test_they_are_started_before_what_takes_long_to_load() -> None:
    assert loaded_by("import tau2tui.analysis.ahead", ("polars", "numpy")) == set()
