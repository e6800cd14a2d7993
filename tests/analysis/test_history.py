"""Samples of the node agents as frames: what was counted is there, and what was not sampled is a gap."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tau2tui.analysis.history import ROW, read_history, span
from tau2tui.analysis.sample_files import piece, step
from tau2tui.analysis.sampled_windows import on_a_grid, read_state, read_windows, state_at, windows
from tau2tui.analysis.sparkline import ASCII_BLOCKS, BLOCKS, sparkline
from tau2tui.node import agent
from tests.analysis.made_samples import MadeServer

BEGIN = datetime.fromisoformat("2026-01-02 03:00:00")
MINUTE = timedelta(minutes=1)


def test_a_row_is_read_as_the_node_agent_writes_it() -> None:
    assert ROW == agent.ROW


def at(seconds: float) -> float:
    return (BEGIN + timedelta(seconds=seconds)).timestamp()


@pytest.fixture
def server() -> MadeServer:
    """Two minutes with samples, a minute without, one more with."""
    server = MadeServer("expert-1-0")
    for second in range(0, 240, 10):
        if 120 < second < 180:
            server.miss(at(second))
            continue
        server.serve(*([0.7] * 9), 4.0, queued_s=0.1)
        server.kv_cache = 0.3 + second / 1000
        server.sample(at(second))
    return server


def test_windows_hold_what_was_served_in_them(server: MadeServer, tmp_path: Path) -> None:
    server.write(tmp_path)
    table = windows(read_history(tmp_path), MINUTE)
    assert table["window"].to_list() == [BEGIN, BEGIN + MINUTE, BEGIN + 2 * MINUTE, BEGIN + 3 * MINUTE]
    second = table.row(1, named=True)
    assert second["samples"] == 6 and second["requests_s"] == pytest.approx(1.0)
    assert second["generation_tokens_s"] == pytest.approx(100.0)
    assert second["prefix_hit_share"] == pytest.approx(0.5) and second["queue_s"] == pytest.approx(0.1)
    assert second["kv_cache"] == pytest.approx(0.41) and second["preemptions"] == 0
    assert second["answer_tokens"] == pytest.approx(100) and second["failed_share"] is None
    # 54 of 60 between 0.5 and 1 s, 6 between 2 and 5 s.
    assert second["e2e_p50_s"] == pytest.approx(0.5 + 0.5 * 30 / 54)
    assert second["e2e_p99_s"] == pytest.approx(2 + 3 * (59.4 - 54) / 6)
    assert second["ttft_p50_s"] is None, "it does not report it"


def test_what_was_counted_in_a_gap_is_told_over_the_gap_and_the_windows_in_it_are_empty(tmp_path: Path) -> None:
    server = MadeServer("e-0")
    for second in (0, 10, 200, 210):
        server.serve(0.7)
        server.sample(at(second))
    server.write(tmp_path)
    table = windows(read_history(tmp_path), MINUTE)
    grid = on_a_grid(table, "requests_s", MINUTE)["e-0"]
    assert grid == [pytest.approx(0.1), None, None, pytest.approx(2 / 200)]


def test_torn_and_foreign_lines_are_left_out_and_the_file_that_was_put_aside_comes_first(tmp_path: Path) -> None:
    server = MadeServer("e-0")
    for second in (0, 10, 20, 30):
        server.serve(0.7)
        server.sample(at(second))
    (tmp_path / "e-0.jsonl.1").write_text("\n".join(server.lines[:2]) + '\n{"t": 5')
    (tmp_path / "e-0.jsonl").write_text("\n".join(["[1]", '{"t": "x"}', '{"t": 1e9, "v": 7}', *server.lines[2:]]))
    (tmp_path / "e-0.jsonl.bak").write_text(server.lines[0])
    samples = read_history(tmp_path).samples
    assert samples.height == 5 and samples["finished"].to_list() == [None, None, 1.0, 1.0, 1.0]


def test_rows_of_older_agents_are_read_too(tmp_path: Path) -> None:
    old = [
        {"at": at(0), "running": 2.0, "waiting": 0.0, "kv_cache": 0.5, "generation_tokens": 100.0},
        {"at": at(10), "running": 2.0, "waiting": 0.0, "kv_cache": 0.5, "generation_tokens": 300.0},
        {"at": at(20), "error": "timed out"},
        {"at": at(30), "running": 2.0, "generation_tokens": 50.0},
        {"at": at(40), "running": 2.0, "generation_tokens": 70.0},
    ]
    (tmp_path / "e-0.jsonl").write_text("\n".join(map(json.dumps, old)))
    samples = read_history(tmp_path).samples
    assert samples["generation_tokens"].to_list() == [None, 200.0, None, None, 20.0]
    assert windows(read_history(tmp_path), MINUTE)["generation_tokens_s"].to_list() == [pytest.approx(11.0)]


def test_the_state_at_a_time_is_the_last_sample_before_it_unless_that_is_a_gap_old(
    server: MadeServer, tmp_path: Path
) -> None:
    server.lines = [line for line in server.lines if '"e"' not in line]
    server.write(tmp_path)
    found = read_history(tmp_path)
    state = state_at(found, BEGIN + timedelta(seconds=65)).row(0, named=True)
    assert state["age_s"] == 5 and state["kv_cache"] == pytest.approx(0.36)
    assert state_at(found, BEGIN + timedelta(seconds=170)).is_empty()


def test_no_samples_are_no_windows(tmp_path: Path) -> None:
    found = read_history(tmp_path / "nowhere")
    assert windows(found, MINUTE).is_empty() and on_a_grid(windows(found, MINUTE), "kv_cache", MINUTE) == {}


def test_a_sparkline_shows_gaps_as_gaps_and_keeps_peaks() -> None:
    assert sparkline([0.0, None, 4.0, 8.0], 10, 0.0, 8.0) == "▁ ▅█"
    assert sparkline([0.0, None, 4.0, 8.0], 10, 0.0, 8.0, ascii_only=True) == "_ +@"
    many = [0.0] * 999 + [8.0]
    assert sparkline(many, 10, 0.0, 8.0) == "▁" * 9 + "█"
    assert sparkline([3.0], 10, 3.0, 3.0) == "▁" and len(BLOCKS) == len(ASCII_BLOCKS)


@pytest.fixture
def long(tmp_path: Path) -> Path:
    """Ten hours of two servers, in files that are large enough to be halved; each tells its bounds now and then."""
    bounds = {"T": [], "E": [0.5, 1.0, 2.0]}
    for name in ("e-0", "e-1"):
        rows = [
            {"t": at(10 * row), "v": [1, 2, row, 0.4, 10, 900, 50, 3], "E": [1, 2, 3, 1]}
            | ({"b": bounds} if row % 500 == 0 or row == 1200 else {})
            for row in range(3600)
        ]
        lines = [json.dumps(row, separators=(",", ":")) + "\n" for row in rows]
        (tmp_path / f"{name}.jsonl.1").write_text("".join(lines[:1200]))
        (tmp_path / f"{name}.jsonl").write_text("".join(lines[1200:]))
    assert (tmp_path / "e-0.jsonl").stat().st_size > 2 * (64 << 10)
    return tmp_path


@pytest.mark.parametrize(("begin", "end"), [(0, 60), (5000, 5600), (9950, 10080), (12_000, 12_000), (21_000, 99_000)])
def test_a_stretch_is_what_all_has_between_these_times(long: Path, begin: int, end: int) -> None:
    since, until = BEGIN + timedelta(seconds=begin), BEGIN + timedelta(seconds=end)
    whole, part = read_history(long), read_history(long, since=since, until=until)
    inside = pl.col("at").is_between(since, until)
    assert_frame_equal(part.samples, whole.samples.filter(inside))
    assert_frame_equal(part.observations, whole.observations.filter(inside))
    assert part.samples.height > 0


def test_a_stretch_is_found_without_reading_what_is_before_and_behind(long: Path) -> None:
    path = long / "e-0.jsonl"
    text, offset = piece(path, at(30_000), at(30_600))
    assert offset > 0 and len(text) < path.stat().st_size / 2
    assert text.startswith(b'{"t"') and text.endswith(b"\n")


def test_windows_of_a_directory_are_those_of_its_whole_history(long: Path) -> None:
    assert_frame_equal(read_windows(long, MINUTE), windows(read_history(long), MINUTE), check_row_order=False)
    one = read_windows(long, MINUTE, replicas=("e-1",), since=BEGIN + timedelta(hours=9))
    assert set(one["replica"]) == {"e-1"} and one["window"].min() == BEGIN + timedelta(hours=9)
    assert read_windows(long / "nowhere", MINUTE).is_empty()


def test_the_first_and_the_last_sample_are_told_without_reading_the_rest(long: Path) -> None:
    assert span(long) == (BEGIN, BEGIN + timedelta(seconds=35_990))
    assert span(long, ("nobody",)) is None and span(long / "nowhere") is None


def test_a_state_has_the_rates_of_the_minute_before(server: MadeServer, tmp_path: Path) -> None:
    server.write(tmp_path)
    state = read_state(tmp_path, BEGIN + timedelta(seconds=65)).row(0, named=True)
    assert state["requests_s"] == pytest.approx(1.0) and state["generation_tokens_s"] == pytest.approx(100.0)
    assert 0.5 < state["e2e_p50_s"] < 1 and state["kv_cache"] == pytest.approx(0.36)


def test_steps_go_from_sample_to_sample_and_end_at_the_first_and_behind_the_last(long: Path) -> None:
    assert step(long, "e-0", at(15_005), -1) == at(15_000)
    assert step(long, "e-0", at(15_000), -3) == at(14_970)
    assert step(long, "e-0", at(15_000), 2) == at(15_020)
    assert step(long, "e-0", at(11_995), 1) == at(12_000), "it is in the other file"
    assert step(long, "e-0", at(12_005), -2) == at(11_990)
    assert step(long, "e-0", at(25), -9) == at(0)
    assert step(long, "e-0", at(35_990), 1) is None and step(long, "e-0", at(0), -1) is None
    assert step(long, "e-0", at(90_000), -1) == at(35_990), "however long ago"
    assert step(long, "nobody", at(90_000), -1) is None
