"""Logs that grow, read in a thread and summed up for the screen: every figure held against NumPy and the truth."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from tau2tui.analysis.latency_question import PictureQuestion
from tau2tui.analysis.latency_row import LatencyRow
from tau2tui.core.window import Window, parse_window
from tau2tui.tui.chart import SECOND
from tau2tui.tui.latencies import Answer, Latencies, Other
from tau2tui.tui.latency_title import title_lines
from tests.analysis.made_logs import LogMaker

EXPERT = "expert:openai/gpt-oss-20b"
PERCENTILES = (10, 20, 25, 30, 40, 50, 60, 70, 75, 80, 90, 95, 99)


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> tuple[LogMaker, Path]:
    """Logs that no test changes, and the truth about them."""
    directory, maker = tmp_path_factory.mktemp("logs"), LogMaker(5)
    maker.write(directory, 900)
    return maker, directory


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    LogMaker(5).write(tmp_path, 600)
    return tmp_path


def truth(maker: LogMaker) -> pl.DataFrame:
    """The orchestrator's calls as they were written."""
    return maker.truth.event_frame().filter(pl.col("type") == "llm_call")


def first(answer: Answer) -> LatencyRow:
    return answer.rows[0]


def plain(answer: Answer) -> str:
    return "\n".join("".join(words for words, _ in line) for line in answer.chart)


def exact(row: LatencyRow, values: pl.Series, sla_ms: float = 5000.0) -> None:
    """Every figure of a row is that of NumPy on these values."""
    array = values.drop_nulls().to_numpy()
    assert row.count == len(array)
    for share in PERCENTILES:
        assert getattr(row, f"p{share}") == pytest.approx(np.percentile(array, share))
    assert (row.mean, row.std) == pytest.approx((array.mean(), array.std()))
    assert (row.min, row.max) == (array.min(), array.max())
    assert row.under_sla == pytest.approx((array < sla_ms).mean())


@pytest.mark.parametrize("metric", ["duration_ms", "prefill_ms", "decode_ms"])
@pytest.mark.parametrize("domain", ["", "retail"])
def test_every_figure_is_exact_for_any_metric_and_domain(
    maker: tuple[LogMaker, Path], metric: str, domain: str
) -> None:
    made, directory = maker
    answer = Latencies().answer(directory, PictureQuestion(metric=metric, domain=domain))
    calls = truth(made)
    calls = calls.filter(pl.col("domain").cast(pl.String) == domain) if domain else calls
    assert answer.series == first(answer).series == "orchestrator"
    exact(first(answer), calls[metric])
    assert answer.legends[0].says.startswith(f"{first(answer).count} calls")
    assert "█" in plain(answer)
    assert answer.domains == ("retail", "telecom")


@pytest.mark.parametrize("words", ["5m", "17:36 17:40", "17:40", "2025-12-30 17:34 17:38:30"])
def test_every_figure_is_exact_in_any_window_of_time(maker: tuple[LogMaker, Path], words: str) -> None:
    made, directory = maker
    window = parse_window(words)
    answer = Latencies().answer(directory, PictureQuestion(window=window))
    newest = made.truth.event_frame()["at"].max()
    assert isinstance(newest, datetime)
    begin, end = window.bounds(newest)
    assert begin is not None
    calls = truth(made).filter(pl.col("at") >= begin)
    calls = calls.filter(pl.col("at") < end) if end else calls
    assert 20 < len(calls) < len(truth(made))
    exact(first(answer), calls["duration_ms"])
    assert answer.span == (begin, end or newest)


def test_the_queue_is_what_prefill_and_decode_leave_of_the_total(maker: tuple[LogMaker, Path]) -> None:
    made, directory = maker
    answer = Latencies().answer(directory, PictureQuestion(metric="queue_ms"))
    calls = truth(made)
    exact(first(answer), (calls["duration_ms"] - calls["prefill_ms"] - calls["decode_ms"]))


def test_another_threshold_changes_the_share_below_it(maker: tuple[LogMaker, Path]) -> None:
    made, directory = maker
    answer = Latencies().answer(directory, PictureQuestion(sla_ms=3000.0))
    exact(first(answer), truth(made)["duration_ms"], 3000.0)
    assert "below 3s" in answer.legends[0].says


def test_bins_and_shares_in_numbers_add_up(maker: tuple[LogMaker, Path]) -> None:
    made, directory = maker
    figures = Latencies().figures(directory, PictureQuestion(bins=33, zoom=(1000.0, 8000.0)))
    values = truth(made)["duration_ms"].to_numpy()
    counts, _ = np.histogram(values, 33, (1000.0, 8000.0))
    assert figures.picture is not None
    assert figures.picture.bins[0].counts == tuple(counts.tolist())
    assert (figures.picture.bins[0].below, figures.picture.bins[0].beyond) == (
        int((values < 1000).sum()),
        int((values > 8000).sum()),
    )
    assert "before the axis" in figures.samples[0].legend.says
    assert f"beyond the axis, longest {values.max() / 1000:.1f}s" in figures.samples[0].legend.says


def test_two_series_lie_over_each_other_each_with_its_numbers(maker: tuple[LogMaker, Path]) -> None:
    made, directory = maker
    answer = Latencies().answer(directory, PictureQuestion(other=EXPERT))
    assert [legend.row.series for legend in answer.legends] == ["orchestrator", EXPERT]
    calls = made.truth.event_frame().filter(pl.col("model").cast(pl.String) == "openai/gpt-oss-20b")
    exact(answer.legends[1].row, calls["duration_ms"])
    assert SECOND in plain(answer)


def test_two_runs_lie_over_each_other(maker: tuple[LogMaker, Path], tmp_path: Path) -> None:
    made, directory = maker
    before = LogMaker(77)
    before.write(tmp_path, 500)
    latencies = Latencies()
    answer = latencies.answer(directory, PictureQuestion(), Other("before", tmp_path))
    assert [legend.run for legend in answer.legends] == ["", "before"]
    exact(answer.legends[0].row, truth(made)["duration_ms"])
    exact(answer.legends[1].row, truth(before)["duration_ms"])
    across = latencies.answer(directory, PictureQuestion(other=EXPERT), Other("before", tmp_path))
    assert [legend.row.series for legend in across.legends] == ["orchestrator", EXPERT]
    exact(
        across.legends[1].row, before.truth.event_frame().filter(pl.col("model") == "openai/gpt-oss-20b")["duration_ms"]
    )
    assert len(latencies.answer(directory, PictureQuestion()).legends) == 1


def test_a_series_that_the_other_run_lacks_says_so(maker: tuple[LogMaker, Path], tmp_path: Path) -> None:
    answer = Latencies().answer(maker[1], PictureQuestion(), Other("empty", tmp_path))
    assert answer.legends[1].says == "no call"
    assert answer.chart
    nobody = Latencies().answer(maker[1], PictureQuestion(other="nobody"), Other("itself", maker[1]))
    assert (nobody.legends[1].row.count, nobody.legends[1].says) == (0, "no call")


def test_a_heat_map_has_every_call_in_sight(maker: tuple[LogMaker, Path]) -> None:
    made, directory = maker
    question = PictureQuestion(picture="heat-map", log=True, other=EXPERT)
    figures = Latencies().figures(directory, question)
    assert figures.heat is not None
    assert sum(map(sum, figures.heat.counts)) == len(truth(made))
    answer = Latencies().answer(directory, question)
    assert "a column is" in answer.note
    assert "only the first of the two" in answer.note
    small = Latencies().answer(directory, PictureQuestion(picture="heat-map", height=3))
    assert (small.chart, small.note) == ((), "no call here has a time, or there is too little room")


def test_a_series_without_the_figure_says_so(logs: Path) -> None:
    latencies = Latencies()
    user = next(
        row.series for row in latencies.answer(logs, PictureQuestion()).rows if row.series.startswith("user_sim")
    )
    answer = latencies.answer(logs, PictureQuestion(series=user, metric="prefill_ms"))
    assert answer.legends[0].says == "no call has this figure"
    assert answer.note == "nothing to draw"
    row = next(row for row in answer.rows if row.series == user)
    assert (row.count, row.p50, row.under_sla) == (0, None, None)


def test_series_stay_listed_where_a_domain_or_window_has_none_of_their_calls(logs: Path) -> None:
    latencies = Latencies()
    every = {row.series for row in latencies.answer(logs, PictureQuestion()).rows}
    telecom = latencies.answer(logs, PictureQuestion(series="tool:retail:get_order_details", domain="telecom"))
    assert {row.series for row in telecom.rows} == every
    assert telecom.legends[0].says == "no call in this domain and window"
    long_ago = latencies.answer(logs, PictureQuestion(window=parse_window("2020-01-01 03:00 04:00")))
    assert {row.series for row in long_ago.rows} == every
    assert all(row.count == 0 for row in long_ago.rows)


def test_a_series_that_is_gone_gives_way_to_the_first(logs: Path) -> None:
    assert Latencies().answer(logs, PictureQuestion(series="nobody")).series == "orchestrator"


def test_what_is_added_shows_and_nothing_new_costs_nothing(logs: Path) -> None:
    latencies = Latencies()
    before = latencies.answer(logs, PictureQuestion())
    assert latencies.answer(logs, PictureQuestion()) is before
    line, _ = LogMaker(6).profile_line("retail")
    while "type=llm_call" not in line:
        line, _ = LogMaker(len(line)).profile_line("retail")
    with (logs / "tau2_retail.log").open("a") as log:
        log.write(line + "\n")
    assert first(latencies.answer(logs, PictureQuestion())).count == first(before).count + 1


def test_no_logs_are_no_rows(tmp_path: Path) -> None:
    latencies = Latencies()
    assert latencies.answer(tmp_path, PictureQuestion()).rows == ()
    assert latencies.answer(tmp_path / "not-there-yet", PictureQuestion(window=Window(300.0))).rows == ()


def test_two_threads_at_a_time_do_not_count_anything_twice(logs: Path) -> None:
    latencies = Latencies()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: latencies.answer(logs, PictureQuestion()), range(8)))
    assert len({answer.rows for answer in answers}) == 1


def test_a_log_that_became_shorter_is_told_above_the_picture(logs: Path) -> None:
    latencies, question = Latencies(), PictureQuestion()
    assert latencies.answer(logs, question).incidents == ()
    log = max(logs.rglob("*.log"), key=lambda file: file.stat().st_size)
    text = log.read_bytes()
    log.write_bytes(text[: len(text) // 2])
    answer = latencies.answer(logs, question)
    assert [words.partition(": ")[0] for words in answer.incidents] == [log.name]
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(title_lines(answer, 200))
    assert f"{log.name}: shorter than it was" in console.export_text()
