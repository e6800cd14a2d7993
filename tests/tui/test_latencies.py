"""Logs that grow, read in a thread and summed up for the screen."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tau2tui.tui.latencies import Latencies, Question
from tests.analysis.made_logs import LogMaker

SLA_MS = 5000.0


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    LogMaker(5).write(tmp_path, 600)
    return tmp_path


def test_every_series_is_counted_and_the_first_is_drawn(tmp_path: Path) -> None:
    maker = LogMaker(5)
    maker.write(tmp_path, 600)
    answer = Latencies(SLA_MS, None).answer(tmp_path, Question())
    truth = maker.truth.event_frame()
    agent_calls = truth.filter(truth["type"] == "llm_call")["duration_ms"]
    first = answer.rows[0]
    assert answer.series == first.series == "orchestrator"
    assert first.count == len(agent_calls)
    assert first.mean == pytest.approx(agent_calls.mean())
    assert first.max == agent_calls.max()
    assert first.under_sla == pytest.approx((agent_calls < SLA_MS).mean())
    assert "█" in answer.chart.plain
    assert answer.caption.startswith(f"{first.count} calls")


def test_another_metric_has_its_own_numbers(logs: Path) -> None:
    latencies = Latencies(SLA_MS, None)
    total, prefill = (latencies.answer(logs, Question(metric=metric)) for metric in ("duration_ms", "prefill_ms"))
    assert total.rows[0].count > prefill.rows[0].count > 0
    assert latencies.answer(logs, Question()) == total


def test_a_series_without_the_figure_says_so(logs: Path) -> None:
    latencies = Latencies(SLA_MS, None)
    user = next(row.series for row in latencies.answer(logs, Question()).rows if row.series.startswith("user_sim"))
    answer = latencies.answer(logs, Question(series=user, metric="prefill_ms"))
    assert answer.caption == "no call has this figure"
    row = next(row for row in answer.rows if row.series == user)
    assert (row.count, row.p50, row.under_sla) == (0, None, None)


def test_a_series_that_is_gone_gives_way_to_the_first(logs: Path) -> None:
    assert Latencies(SLA_MS, None).answer(logs, Question(series="nobody")).series == "orchestrator"


def test_what_is_added_shows_and_nothing_new_changes_nothing(logs: Path) -> None:
    latencies = Latencies(SLA_MS, None)
    before = latencies.answer(logs, Question())
    assert latencies.answer(logs, Question()) == before
    line, _ = LogMaker(6).profile_line("retail")
    while "type=llm_call" not in line:
        line, _ = LogMaker(len(line)).profile_line("retail")
    with (logs / "tau2_retail.log").open("a") as log:
        log.write(line + "\n")
    assert latencies.answer(logs, Question()).rows[0].count == before.rows[0].count + 1


def test_no_logs_are_no_rows(tmp_path: Path) -> None:
    latencies = Latencies(SLA_MS, None)
    assert latencies.answer(tmp_path, Question()).rows == ()
    assert latencies.answer(tmp_path / "not-there-yet", Question()).rows == ()


def test_two_threads_at_a_time_do_not_count_anything_twice(logs: Path) -> None:
    latencies = Latencies(SLA_MS, None)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: latencies.answer(logs, Question()), range(8)))
    assert len({answer.rows for answer in answers}) == 1
