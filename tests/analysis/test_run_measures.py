"""Pace, critical paths, experts and costs, on logs that can be added up by hand."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from tau2tui.analysis.experts import NOBODY, Price, call_costs, expert_choices
from tau2tui.analysis.frames import Logs
from tau2tui.analysis.history import SAMPLES
from tau2tui.analysis.outcomes import read_outcomes
from tau2tui.analysis.pace import active_window, finish_times, pace, round_seconds, span, timeline
from tau2tui.analysis.scan import read_logs
from tau2tui.analysis.wall_time import critical_paths, stragglers, wall_shares

LINES = """\
[PROFILE] 2026-01-02 10:00:02.000 task=1 thread=1 type=llm_call step=1 model=a duration_ms=2000.00 input_tokens=1000 output_tokens=100
[PROFILE] 2026-01-02 10:00:05.000 task=1 thread=1 type=expert_call step=1 model=x duration_ms=3000.00 input_tokens=500 output_tokens=50
[PROFILE] 2026-01-02 10:00:05.500 task=1 thread=1 type=tool_call step=2 function=f call_type=local_function duration_ms=500.00
[PROFILE] 2026-01-02 10:00:05.500 task=1 thread=1 type=step_complete step=2 total_duration_ms=500.00 from_role=agent to_role=env
[USER_JUDGE] 2026-01-02 10:00:10.000 task=1 thread=1 type=user_sim step=3 model=u duration_ms=2500.00
[PROFILE] 2026-01-02 10:00:20.000 task=2 thread=2 type=llm_call step=1 model=a duration_ms=4000.00
[PROFILE] 2026-01-02 10:00:20.000 task=2 thread=2 type=step_complete step=1 total_duration_ms=4000.00 from_role=user to_role=agent
"""  # noqa: E501
FULL = """\
[2026-01-02 10:00:11] FINISHED SIMULATION: Domain: retail, Task: 1, Agent: A, User: U. Reward: 1.0
[2026-01-02 10:00:11] [TAU2_TASK_COMPLETE] domain=retail trial=0 task_id=1 status=ok completed_domain=1 total_domain=2
[2026-01-02 10:00:21] FINISHED SIMULATION: Domain: retail, Task: 2, Agent: A, User: U. Reward: 0.0
[2026-01-02 10:00:21] [TAU2_TASK_COMPLETE] domain=retail trial=0 task_id=2 status=ok completed_domain=2 total_domain=2
"""


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-01-02 {text}")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "tau2_retail.log").write_text(LINES)
    (tmp_path / "fullrun.log").write_text(FULL)
    return tmp_path


@pytest.fixture
def logs(run: Path) -> Logs:
    return read_logs([run / "fullrun.log", run / "tau2_retail.log"])


@pytest.fixture
def outcomes(run: Path) -> pl.DataFrame:
    return read_outcomes(run, logs=[run / "fullrun.log"])


def test_a_task_is_the_sum_of_its_calls_and_of_waiting(logs: Logs) -> None:
    first, second = critical_paths(logs.events).rows(named=True)
    assert (first["task_id"], first["begin"], first["wall_s"]) == ("1", at("10:00:00"), 10.0)
    parts = [first[f"{part}_s"] for part in ("agent", "expert", "tool", "user", "evaluator", "waiting")]
    assert parts == [2.0, 3.0, 0.5, 2.5, 0.0, 2.0]
    assert (second["task_id"], second["wall_s"], second["agent_s"], second["waiting_s"]) == ("2", 4.0, 4.0, 0.0)


def test_the_shares_of_the_wall_time_add_up(logs: Logs) -> None:
    shares = wall_shares(critical_paths(logs.events))
    assert dict(shares.select("part", "seconds").iter_rows())["agent"] == 6.0
    assert shares["share"].sum() == pytest.approx(1.0)
    assert wall_shares(critical_paths(logs.events), by_domain=True)["domain"].unique().to_list() == ["retail"]


def test_stragglers_are_beyond_the_fence_of_their_domain(logs: Logs) -> None:
    paths = critical_paths(logs.events)
    assert stragglers(paths).is_empty()
    many = pl.concat([paths.tail(1).with_columns(pl.lit(str(task)).alias("task_id")) for task in range(10)])
    found = stragglers(pl.concat([paths.head(1), many]))
    assert found.select("task_id", "fence_s", "longest").rows() == [("1", 4.0, "expert")]


def test_the_pace_is_counted_over_the_whole_run_or_a_window(logs: Logs, outcomes: pl.DataFrame) -> None:
    finished = finish_times(logs, outcomes)
    assert span(logs.events) == (at("10:00:00"), at("10:00:20"))
    whole = pace(logs, finished)
    assert whole is not None
    assert (whole.steps, whole.tasks, whole.steps_per_s, whole.tasks_per_min) == (2, 1, 0.1, 3.0)
    inside = pace(logs, finished, (at("10:00:10"), at("10:00:30")))
    assert inside is not None
    assert (inside.steps, inside.tasks, inside.tasks_per_min) == (1, 2, 6.0)
    assert pace(read_logs([]), finished) is None


def test_the_active_window_reaches_from_the_first_to_the_last_busy_sample() -> None:
    moments = [at("10:00:00"), at("10:01:00"), at("10:02:00"), at("10:03:00"), at("10:04:00")]
    usage = [0.7, 0.71, None, 0.9, 0.1]
    samples = pl.DataFrame(
        [{"at": when, "kv_cache": share} for when, share in zip(moments, usage, strict=True)], SAMPLES
    )
    assert active_window(samples) == (at("10:01:00"), at("10:03:00"))
    assert active_window(samples, above=0.95) is None


def test_the_timeline_has_its_empty_windows_too(logs: Logs, outcomes: pl.DataFrame) -> None:
    table = timeline(logs, finish_times(logs, outcomes), logs.errors["at"], windows=4)
    assert table["at"].to_list() == [at("10:00:00"), at("10:00:05"), at("10:00:10"), at("10:00:15"), at("10:00:20")]
    assert table["calls"].to_list() == [1, 1, 0, 0, 1]
    assert table["steps"].to_list() == [0, 1, 0, 0, 1]
    assert table["tasks"].to_list() == [0, 0, 1, 0, 1]
    nothing = pl.Series([], dtype=pl.Datetime("ms"))
    assert timeline(read_logs([]), nothing, nothing).is_empty()


@pytest.mark.parametrize(("seconds", "length"), [(0.0, 1), (1.5, 2), (61, 120), (3600, 3600), (9000, 7200)])
def test_windows_have_round_lengths(seconds: float, length: int) -> None:
    assert round_seconds(seconds) == length


def test_experts_are_judged_by_the_tasks_in_which_they_were_called(logs: Logs, outcomes: pl.DataFrame) -> None:
    assert expert_choices(logs.events, outcomes).rows() == [
        ("retail", "x", 1, 1, 1, 1, 1.0, 1.0),
        ("retail", NOBODY, 0, 1, 1, 0, 0.0, 0.0),
    ]


def test_costs_follow_the_prices_of_the_models(logs: Logs) -> None:
    table = call_costs(logs.events, {"a": Price(2.0, 10.0), "x": Price(1.0, 1.0)})
    assert table.rows() == [
        ("expert:x", 1, 1, 500, 50, pytest.approx(0.00055)),
        ("orchestrator", 2, 1, 1000, 100, pytest.approx(0.003)),
        ("user_sim:u", 1, 0, 0, 0, None),
    ]
