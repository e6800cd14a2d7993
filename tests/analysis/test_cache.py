from __future__ import annotations

import gzip
import json
import multiprocessing
import os
import stat
import time
from pathlib import Path

import pytest

from tau2tui.analysis.cache import LogCache, Place, prune
from tau2tui.analysis.cache_places import IN_RUN, cache_directory
from tau2tui.analysis.errorlines import ErrorPatterns
from tau2tui.analysis.logfile import LogFile
from tau2tui.analysis.scan import read_logs
from tau2tui.defaults import ERROR_PATTERNS
from tests.analysis.comparing import same
from tests.analysis.made_logs import LogMaker
from tests.analysis.test_scan import EXPERT_CALL, STEP, USER_SIM


@pytest.fixture(autouse=True)
def _small_logs_are_worth_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tau2tui.analysis.logfile.WORTH_BYTES", 1)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with the logs of two domains."""
    (tmp_path / "run" / "logs").mkdir(parents=True)
    (tmp_path / "run" / "run.toml").touch()
    LogMaker(11).write(tmp_path / "run" / "logs", 600)
    return tmp_path / "run"


def logs_of(run: Path) -> list[Path]:
    return sorted((run / "logs").glob("*.log"))


def test_what_was_kept_is_what_was_read(run: Path) -> None:
    afresh = read_logs(logs_of(run))
    same(read_logs(logs_of(run), use_cache=True), afresh)
    same(read_logs(logs_of(run), use_cache=True), afresh)
    assert list((run / IN_RUN).glob("*.parquet"))


def overwrite_unseen(path: Path, offset: int, text: bytes) -> None:
    """Change bytes between those that are looked at."""
    with path.open("r+b") as file:
        os.pwrite(file.fileno(), text, offset)


def test_only_the_growth_of_a_log_is_read(run: Path) -> None:
    path = run / "logs" / "fullrun.log"
    path.write_text(f"{USER_SIM}\n" * 500)
    assert read_logs([path], use_cache=True).events.height == 500
    overwrite_unseen(path, 20_000, b"x" * 200)
    with path.open("a") as file:
        file.write(f"{STEP}\n{EXPERT_CALL}")
    logs = read_logs([path], use_cache=True)
    assert logs.events["type"].to_list() == ["user_sim"] * 500 + ["step_complete"]
    assert logs.skipped.unfinished == 1
    assert read_logs([path]).events.height < 501


@pytest.mark.slow
def test_growing_many_times_keeps_the_files_few(run: Path) -> None:
    path = run / "logs" / "fullrun.log"
    path.write_text("")
    for number in range(60):
        with path.open("a") as file:
            file.write(f"{USER_SIM}\n" + "Task failed\n" * 6000)
        logs = read_logs([path], use_cache=True)
        assert (logs.events.height, logs.errors.height) == (number + 1, 6000 * (number + 1))
    (state,) = (run / IN_RUN).glob("*.json")
    assert len(json.loads(state.read_text())["segments"]) <= 50


@pytest.mark.parametrize("change", ["head", "tail", "shorter", "inode"])
def test_another_log_is_read_afresh(run: Path, change: str) -> None:
    path = run / "logs" / "fullrun.log"
    text = f"{USER_SIM}\n" * 100
    path.write_text(text)
    read_logs([path], use_cache=True)
    size = path.stat().st_size
    if change == "head":
        overwrite_unseen(path, 10, b"x" * 50)
    elif change == "tail":
        overwrite_unseen(path, size - 100, b"x" * 50)
    elif change == "shorter":
        os.truncate(path, size - len(USER_SIM) - 1)
    else:
        (run / "new").write_text(f"{STEP}\n{text}")
        (run / "new").replace(path)
    same(read_logs([path], use_cache=True), read_logs([path]))


def test_other_error_patterns_are_another_entry(run: Path) -> None:
    path = run / "logs" / "fullrun.log"
    path.write_text("Task failed\nLLM call failed permanently\n")
    assert read_logs([path], use_cache=True).errors.height == 2
    assert read_logs([path], {"mine": "permanently"}, use_cache=True).errors["name"].to_list() == ["mine"]
    assert read_logs([path], use_cache=True).errors.height == 2


def test_whatever_is_damaged_is_read_afresh(run: Path) -> None:
    path = logs_of(run)[1]
    afresh = read_logs([path])
    read_logs([path], use_cache=True)
    kept = [file for file in (run / IN_RUN).iterdir() if file.is_file()]
    assert len(kept) > 2
    for file in kept:
        content = file.read_bytes()
        for damaged in (
            b"",
            content[: len(content) // 2],
            content[:-9] + b"\xff" + content[-8:],
            b"{}",
            b"null",
            b"[1]",
        ):
            file.write_bytes(damaged)
            same(read_logs([path], use_cache=True), afresh)
            file.write_bytes(content)
        file.unlink()
        same(read_logs([path], use_cache=True), afresh)


def test_entries_are_for_the_owner_only(run: Path) -> None:
    read_logs(logs_of(run), use_cache=True)
    directory = run / IN_RUN
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in directory.iterdir()} == {0o600}


def test_nothing_is_written_beside_logs_that_are_no_runs(tmp_path: Path) -> None:
    path = tmp_path / "theirs" / "fullrun.log"
    path.parent.mkdir()
    path.write_text(f"{STEP}\n")
    read_logs([path], use_cache=True)
    assert [file.name for file in path.parent.iterdir()] == ["fullrun.log"]
    assert list((tmp_path / "caches" / "tau2tui" / "logs").glob("*.json"))


def test_a_cache_that_cannot_be_written_is_none(tmp_path: Path) -> None:
    path = tmp_path / "fullrun.log"
    path.write_text(f"{STEP}\n")
    (tmp_path / "file").touch()
    log = LogFile(path, cache=LogCache(ERROR_PATTERNS, tmp_path / "file" / "below"))
    log.advance(ErrorPatterns(ERROR_PATTERNS))
    assert log.records().events.height == 1


def test_archives_are_kept_as_a_whole_with_what_is_wrong_with_them(run: Path) -> None:
    path = run / "logs" / "tau2_retail.log.1.gz"
    packed = gzip.compress(f"{USER_SIM}\n".encode() * 5000 + EXPERT_CALL.encode())
    path.write_bytes(packed)
    for content in (packed, packed[:-30], packed + packed):
        path.write_bytes(content)
        afresh = read_logs([path])
        same(read_logs([path], use_cache=True), afresh)
        same(read_logs([path], use_cache=True), afresh)


def read_often(run: Path, times: int) -> None:
    for _ in range(times):
        read_logs(logs_of(run), use_cache=True)


def test_several_processes_at_once_do_not_disturb_each_other(run: Path) -> None:
    afresh = read_logs(logs_of(run))
    processes = [multiprocessing.get_context("spawn").Process(target=read_often, args=(run, 10)) for _ in range(2)]
    for process in processes:
        process.start()
    for _ in range(10):
        same(read_logs(logs_of(run), use_cache=True), afresh)
        for file in (run / IN_RUN).glob("*.json"):
            file.unlink(missing_ok=True)
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]


def test_what_was_not_used_for_longest_goes_first_and_orphans_go_once_they_are_old(tmp_path: Path) -> None:
    entries = LogCache({}, tmp_path / "cache")
    for number in range(4):
        path = tmp_path / f"{number}.log"
        path.write_text(f"{STEP}\n")
        log = LogFile(path)
        log.advance(ErrorPatterns({}))
        with path.open("rb") as file:
            entries.save(path, Place.of(file.fileno(), path.stat().st_size), [log.records()])
        os.utime(entries._state_file(path), (number, number))
    size = max(file.stat().st_size for file in (tmp_path / "cache").glob("*.parquet"))
    young, old = tmp_path / "cache" / "young.parquet", tmp_path / "cache" / "old.parquet"
    young.touch()
    old.touch()
    os.utime(old, (time.time() - 10_000, time.time() - 10_000))
    prune(tmp_path / "cache", 2 * size + 1)
    left = [number for number in range(4) if entries._state_file(tmp_path / f"{number}.log").exists()]
    assert left == [2, 3]
    assert len(list((tmp_path / "cache").glob("*.parquet"))) == 3
    assert young.exists()


def test_the_place_is_the_run_only_for_its_logs(run: Path) -> None:
    assert cache_directory(run / "logs" / "fullrun.log") == run / IN_RUN
    assert run not in cache_directory(run.parent / "fullrun.log").parents
