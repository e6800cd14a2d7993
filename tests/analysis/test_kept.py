"""What lies on disk is what was read, and comes into memory in parts."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tau2tui.analysis import copies, logfile, reading, scan, stretches
from tau2tui.analysis.errorlines import ErrorPatterns
from tau2tui.analysis.frames import EVENTS, Records
from tau2tui.analysis.kept import LITTLE, SCHEMAS, Spill
from tau2tui.analysis.logfile import LogFile
from tau2tui.analysis.samples import Samples
from tau2tui.analysis.scan import read_logs
from tau2tui.analysis.wanted import Wanted
from tau2tui.defaults import ERROR_PATTERNS
from tau2tui.errors import NothingToRead
from tests.analysis.comparing import same
from tests.analysis.made_logs import LogMaker

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], pl.DataFrame]:
    """Files that hold copies of each other's lines, and the truth about their events."""
    maker = LogMaker(23)
    return maker.write(tmp_path_factory.mktemp("logs"), 3000), maker.truth.event_frame()


@pytest.fixture
def in_small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file is many parts, all of which are put away, and copies are sought in many shares."""
    monkeypatch.setattr(stretches, "STRETCH", 40_000)
    monkeypatch.setattr(reading, "_TOGETHER", 2)
    monkeypatch.setattr(reading, "_TOGETHER_ONCE", 3)
    monkeypatch.setattr(logfile, "MANY_ROWS", 1)
    monkeypatch.setattr(scan, "Spill", lambda: Spill(0))
    monkeypatch.setattr(copies, "_AT_ONCE", 700)


@pytest.fixture
def records(logs: tuple[list[Path], pl.DataFrame]) -> Records:
    log = LogFile(logs[0][0])
    log.advance(ErrorPatterns(ERROR_PATTERNS))
    return log.records()


def in_order(events: pl.DataFrame) -> pl.DataFrame:
    return events.with_columns(pl.col(pl.Categorical).cast(pl.String)).sort(pl.all())


def test_what_was_put_away_is_what_was_said(records: Records) -> None:
    spill = Spill(0)
    first, second = spill.keep(records), spill.keep(records)
    assert first is not None and second is not None
    for name in SCHEMAS:
        assert records.rows(name) == first.rows(name) > 0
        assert_frame_equal(first.frame(name), records.frame(name))
        assert_frame_equal(second.frame(name), records.frame(name))
    assert_frame_equal(first.frame("events", ("thread", "at")), records.events.select("thread", "at"))


def test_little_stays_in_memory_and_what_comes_after_it_does_not(records: Records) -> None:
    size = sum(int(records.frame(name).estimated_size()) for name in SCHEMAS)
    spill = Spill(2 * size)
    assert spill.keep(records) is None
    assert spill.keep(records) is not None


def test_frames_without_rows_keep_their_schema(records: Records) -> None:
    nothing = Records(**{name: records.frame(name).clear() for name in SCHEMAS})
    kept = Spill(0).keep(nothing)
    assert kept is not None
    for name in SCHEMAS:
        assert kept.rows(name) == 0
        assert_frame_equal(kept.frame(name), nothing.frame(name))
    assert kept.frame("events", ("at",)).schema == {"at": EVENTS["at"]}


def test_much_lies_in_a_file_that_has_no_name(
    records: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    kept = Spill(0).keep(records)
    assert kept is not None
    assert kept.contents["events"].size > LITTLE
    assert not kept.contents["events"].data
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_put_away_stays_in_memory(
    logs: tuple[list[Path], pl.DataFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_small_parts: None
) -> None:
    afresh = read_logs(logs[0])
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "not there"))
    monkeypatch.setattr("tau2tui.analysis.kept.LITTLE", 10)
    same(read_logs(logs[0]), afresh)


def test_parts_of_the_events_are_all_of_them_each_once(
    logs: tuple[list[Path], pl.DataFrame], in_small_parts: None
) -> None:
    paths, truth = logs
    read = read_logs(paths)
    parts = list(read.event_parts(EVENTS.names()))
    assert len(parts) > 10
    assert_frame_equal(in_order(pl.concat(parts)), in_order(truth))
    assert_frame_equal(pl.concat(parts), read.events)
    assert_frame_equal(pl.concat(read.event_parts(("step",))), read.events.select("step"))


def test_many_parts_say_what_one_says(logs: tuple[list[Path], pl.DataFrame], request: pytest.FixtureRequest) -> None:
    whole = read_logs(logs[0])
    for name in ("events", "tasks", "driver", "errors"):
        assert getattr(whole, name).height
    request.getfixturevalue("in_small_parts")
    same(read_logs(logs[0]), whole)


def test_the_cache_takes_and_gives_many_parts(
    logs: tuple[list[Path], pl.DataFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_small_parts: None
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(logfile, "WORTH_BYTES", 1)
    afresh = read_logs(logs[0])
    same(read_logs(logs[0], use_cache=True), afresh)
    again = read_logs(logs[0], use_cache=True)
    assert_frame_equal(pl.concat(again.event_parts(EVENTS.names())), afresh.events)
    same(again, afresh)


@pytest.mark.parametrize("by", [(), ("domain",), ("turn", "window")])
def test_latencies_do_not_depend_on_the_parts(
    logs: tuple[list[Path], pl.DataFrame], in_small_parts: None, by: tuple[str, ...]
) -> None:
    read = read_logs(logs[0])
    parts, whole = (Samples("prefill_ms", by, timedelta(hours=1)) for _ in range(2))
    for part in read.event_parts(parts.columns):
        parts.add(part)
    whole.add(read.events)
    assert_frame_equal(parts.table(), whole.table())
    if not by:
        assert parts.values("orchestrator").to_list() == whole.values("orchestrator").to_list()


def test_events_that_are_looked_at_once_are_the_same_and_are_not_kept(
    logs: tuple[list[Path], pl.DataFrame], tmp_path: Path, in_small_parts: None
) -> None:
    columns = ("domain", "model", "duration_ms")
    log = tmp_path / logs[0][0].name
    log.write_bytes(logs[0][0].read_bytes())
    kept = read_logs((log,), wanted=Wanted(columns, rare=False))
    passing = read_logs((log,), wanted=Wanted(columns, rare=False, once=True))
    expected = pl.concat(kept.event_parts(columns))
    for _ in range(2):
        assert_frame_equal(pl.concat(passing.event_parts(columns)), expected)
    with log.open("a") as file:
        file.write("[PROFILE] 2025-12-24 04:28:25.388 task=1 thread=1 type=tool_call function=f duration_ms=7.25\n")
    assert pl.concat(passing.event_parts(columns))["duration_ms"].to_list() == [*expected["duration_ms"], 7.25]
    assert passing.skipped == kept.skipped and passing.skipped.profile_lines
    log.unlink()
    with pytest.raises(NothingToRead, match="No such file"):
        list(passing.event_parts(columns))
    with pytest.raises(NothingToRead, match="No such file"):
        read_logs((log,), wanted=Wanted(columns, rare=False, once=True))


def test_events_of_several_logs_are_looked_at_once_without_copies(logs: tuple[list[Path], pl.DataFrame]) -> None:
    columns = ("type", "duration_ms")
    once = read_logs(logs[0], wanted=Wanted(columns, rare=False, once=True))
    assert_frame_equal(pl.concat(once.event_parts(columns)), read_logs(logs[0]).events.select(columns))


def test_without_events_there_is_no_series() -> None:
    samples = Samples(by=("domain", "trial"))
    assert samples.table().is_empty()
    assert samples.values("orchestrator").is_empty()


@pytest.mark.parametrize("columns", [("type", "duration_ms"), ("domain", "task_id"), ("at", "model", "step", "error")])
def test_a_few_columns_are_what_they_are_among_all(
    logs: tuple[list[Path], pl.DataFrame], in_small_parts: None, columns: tuple[str, ...]
) -> None:
    for files in (logs[0], logs[0][:1], logs[0][1:]):
        everything, few = read_logs(files), read_logs(files, wanted=Wanted(columns, rare=False))
        assert_frame_equal(pl.concat(few.event_parts(columns)), pl.concat(everything.event_parts(columns)))
        assert few.skipped.profile_lines == everything.skipped.profile_lines
        assert few.tasks.is_empty() and few.errors.is_empty() and few.driver.is_empty()
        with_rare = read_logs(files, wanted=Wanted(columns))
        for name in ("tasks", "driver", "errors"):
            assert_frame_equal(getattr(with_rare, name), getattr(everything, name))
