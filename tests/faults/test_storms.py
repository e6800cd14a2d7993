"""Storms in small; `scripts/faults` lets them rage for minutes, see long.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clock import SteppedClock
from tests.evaluation.practice import PATIENCE_S, practice_run
from tests.faults.storms import kills_and_refusals, stepping, weather

pytestmark = pytest.mark.slow
Record = Callable[[str, object], None]


def test_replicas_that_die_and_a_user_simulator_that_refuses_and_goes_change_no_result(
    tmp_path: Path, record_property: Record
) -> None:
    weathered = weather(tmp_path, kills_and_refusals, 8.0, seed=11)
    for name, figure in weathered.figures.items():
        record_property(name, figure)
    findings = weathered.findings
    assert not findings.differing and not findings.not_once and not findings.counted_twice, findings
    assert weathered.retries > 0 and weathered.errors["rate_limit"] > 0, "the storm was felt"
    assert weathered.harm["replicas killed"] >= 2


def test_a_clock_that_is_set_two_hours_to_and_fro_gives_up_no_simulation(
    tmp_path: Path, record_property: Record
) -> None:
    clock = SteppedClock(tmp_path / "step")
    with practice_run(tmp_path / "run", speed=60) as run, stepping(clock.step, every_s=0.7) as steps:
        run.ask_for(domains=["mock"], trials=3, max_concurrency=4, unit_timeout_s=3600, stall_s=1800)
        driver = run.start_driver(program=clock.argv("tau2tui.evaluation", str(run.directory)))
        assert driver.wait(PATIENCE_S) == 0, run.output
        durations = [unit["duration_s"] for unit in run.units().values()]
        log = run.log()
    record_property("steps", len(steps))
    record_property("longest simulation, s", round(max(durations), 1))
    assert len(steps) >= 2 and len(durations) == 27
    assert all(0 < duration < PATIENCE_S for duration in durations), durations
    assert "stalled" not in log and "Retry" not in log
