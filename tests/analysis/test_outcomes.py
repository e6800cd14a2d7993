from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tau2tui.analysis.frames import EVENTS
from tau2tui.analysis.measures import latency_table
from tau2tui.analysis.outcomes import OUTCOMES, add_trial, pass_hat, pass_interval, read_outcomes, reward_interval

TELECOM = "[mms_issue]airplane_mode_on|a=b, c[PERSONA:None]"


def outcomes(*rows: tuple[str, str, int, float | None]) -> pl.DataFrame:
    keys = ("domain", "task_id", "trial", "reward")
    return pl.DataFrame([dict(zip(keys, row, strict=True)) for row in rows], schema=OUTCOMES)


def simulation(task_id: str, reward: float, **more: Any) -> dict[str, Any]:
    return {
        "task_id": task_id,
        "reward_info": {"reward": reward},
        "start_time": "2026-01-02T03:04:05.678",
        "end_time": "2026-01-02T03:05:05",
        "termination_reason": "user_stop",
        "agent_cost": 0.25,
        "user_cost": None,
        **more,
    }


def test_unit_files_are_read_and_broken_ones_are_no_results(tmp_path: Path) -> None:
    units = tmp_path / "eval/units/retail"
    units.mkdir(parents=True)
    good = {"domain": "retail", "task_id": "1", "trial": 2, "error": None, "simulation": simulation("1", 1.0)}
    failed = {"domain": "retail", "task_id": "2", "trial": 0, "error": {"class": "infra", "message": "m"}}
    (units / "1.2.json").write_text(json.dumps(good))
    (units / "2.0.json").write_text(json.dumps({**failed, "simulation": None}))
    (units / "3.0.json").write_text('{"domain": "retail", "task_')
    (units / "4.0.json").write_text("[]")
    first, second = read_outcomes(tmp_path).rows(named=True)
    assert (first["task_id"], first["trial"], first["reward"], first["cost_usd"]) == ("1", 2, 1.0, 0.25)
    assert first["started_at"] == datetime.fromisoformat("2026-01-02 03:04:05.678")
    assert (second["task_id"], second["reward"], second["error"]) == ("2", None, "infra")


def test_results_files_stand_in_for_unit_files(tmp_path: Path) -> None:
    (tmp_path / "outputs/airline").mkdir(parents=True)
    results = {"simulations": [simulation("7", 0.0, trial=1), simulation("8", 1.0)]}
    (tmp_path / "outputs/airline/results.json").write_text(json.dumps(results))
    found = read_outcomes(tmp_path).select("domain", "task_id", "trial", "reward").rows()
    assert found == [("airline", "7", 1, 0.0), ("airline", "8", 0, 1.0)]


def test_the_logs_stand_in_for_both(tmp_path: Path) -> None:
    log = tmp_path / "fullrun.log"
    finished = "FINISHED SIMULATION: Domain: {}, Task: {}, Agent: A, User: U. Reward: {}\n"
    marker = "[TAU2_TASK_COMPLETE] domain={} trial={} task_id={} status=ok completed_domain=1 total_domain=2\n"
    log.write_bytes(
        b"\xff\x00\n"
        + "".join(
            (
                f"[2026-01-02 03:04:05] {finished.format('telecom', TELECOM, 1.0)}",
                marker.format("retail", 0, "1"),
                marker.format("telecom", 3, TELECOM),
                finished.format("retail", "1", 0.0),
            )
        ).encode()
    )
    found = read_outcomes(tmp_path, logs=[log, log]).select("domain", "task_id", "trial", "reward").rows()
    assert found == [("retail", "1", 0, 0.0), ("telecom", TELECOM, 3, 1.0)]


def test_nothing_is_no_outcome(tmp_path: Path) -> None:
    found = read_outcomes(tmp_path)
    assert found.schema == OUTCOMES
    assert (found.height, pass_hat(found), pass_interval(found)) == (0, (), None)


def test_events_get_the_trial_that_had_begun() -> None:
    units = outcomes(("retail", "1", 0, 1.0), ("retail", "1", 1, 0.0), ("retail", "2", 4, 1.0))
    times = [datetime.fromisoformat("2026-01-02 03:00"), datetime.fromisoformat("2026-01-02 04:00"), None]
    units = units.with_columns(pl.Series("started_at", times, dtype=pl.Datetime("ms")))
    rows = [("1", 2), ("1", 3), ("1", 5), ("2", 5), ("3", 5)]
    events = pl.DataFrame(
        [
            {
                "type": "llm_call",
                "domain": "retail",
                "task_id": task,
                "at": datetime.fromisoformat(f"2026-01-02 0{hour}:00"),
                "duration_ms": 1.0,
            }
            for task, hour in rows
        ],
        schema=EVENTS,
    )
    found = add_trial(events, units)
    assert found["trial"].to_list() == [None, 0, 1, 4, None]
    assert found.drop("trial").equals(events)
    by_trial = latency_table(found, by=("trial",))
    assert dict(by_trial.select("trial", "count").iter_rows()) == {None: 2, 0: 1, 1: 1, 4: 1}


def test_pass_hat_k_is_averaged_over_tasks() -> None:
    rows = [("retail", "1", trial, float(trial < 2)) for trial in range(3)]
    rows += [("retail", "2", trial, 1.0) for trial in range(4)]
    found = outcomes(*rows, ("retail", "3", 0, None))
    # Task 1: 2 of 3 passed; task 2: 4 of 4.
    assert [(k, tasks) for k, _, tasks in pass_hat(found)] == [(1, 2), (2, 2), (3, 2)]
    assert [rate for _, rate, _ in pass_hat(found)] == pytest.approx([(2 / 3 + 1) / 2, (1 / 3 + 1) / 2, 0.5])


def test_intervals_hold_the_rate() -> None:
    found = outcomes(*(("retail", str(task), trial, float(task % 2)) for task in range(20) for trial in range(2)))
    low, high = pass_interval(found) or (1, 0)
    assert 0.2 < low < 0.5 < high < 0.8
    assert reward_interval(found) == (low, high)
