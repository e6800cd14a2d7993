from __future__ import annotations

import json
from pathlib import Path

import pytest

from tau2tui.analysis.experts import Price
from tau2tui.analysis.pace import active_window
from tau2tui.analysis.run_files import prices_of, read_run
from tau2tui.config import Config
from tests.sample import small_config

LINE = "[PROFILE] 2026-01-02 10:00:00.000 task=1 thread=1 type=llm_call step=1 model=m duration_ms=1.00\n"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/tau2_retail.log").write_text(LINE)
    return tmp_path


def test_a_directory_of_logs_is_a_run_with_most_files_missing(run: Path) -> None:
    found = read_run(run / "logs")
    assert [path.name for path in found.logs] == ["tau2_retail.log"]
    assert (found.config, found.progress, found.gpu_hours, found.incidents) == (None, None, None, ())
    assert found.outcomes.is_empty()


def test_the_logs_of_the_smoke_test_are_none_of_the_run(run: Path) -> None:
    (run / "run.toml").write_text('[experts.a]\nmodel = "m"\nrole = "agent"\n')
    (run / "eval/smoke/logs").mkdir(parents=True)
    (run / "eval/smoke/logs/tau2_retail.log").write_text(LINE)
    found = read_run(run)
    assert found.logs == (run / "logs/tau2_retail.log",)
    assert found.config is not None


def test_samples_with_an_error_or_torn_leave_gaps(run: Path) -> None:
    (run / "metrics").mkdir()
    samples = ['{"at": 1.0, "kv_cache": 0.9}', '{"at": 2.0, "error": "timed out"}', '{"at": 3.0, "kv_ca']
    (run / "metrics/agent-0.jsonl").write_text("\n".join(samples))
    found = read_run(run).samples
    assert found.select("replica", "kv_cache").rows() == [("agent-0", 0.9), ("agent-0", None)]
    assert active_window(found) is not None


def test_incidents_are_failures_and_requests_but_not_the_steps_of_a_launch(run: Path) -> None:
    steps = [
        {"at": 3.0, "by": "ann", "did": "request restart e-0", "error": ""},
        {"at": 1.0, "by": "ann", "did": "write x", "error": ""},
        {"at": 2.0, "by": "ann", "did": "sbatch x", "error": "no such partition"},
    ]
    (run / "activity.jsonl").write_text(json.dumps(steps.pop()))  # as older versions wrote it
    (run / "activity").mkdir()
    for number, step in enumerate(steps):
        (run / f"activity/{number}.jsonl").write_text(json.dumps(step) + '\n{"torn')
    (run / "replicas").mkdir()
    replica = {"name": "e-0", "expert": "e", "model": "m", "job": "j", "job_id": "1", "port": 1, "gpus": [0, 1]}
    lived = {"phase": "failed", "failure": "memory", "last_error": "OOM", "started_at": 100.0, "phase_since": 1900.0}
    (run / "replicas/e-0.json").write_text(json.dumps(replica | lived))
    (run / "replicas/e-1.json").write_text("{")
    found = read_run(run)
    assert [(one.at, one.what, one.why) for one in found.incidents] == [
        (2.0, "ann: sbatch x", "no such partition"),
        (3.0, "ann: request restart e-0", ""),
        (1900.0, "e-0 failed (memory)", "OOM"),
    ]
    assert found.gpu_hours == 1.0


def test_the_price_table_is_that_of_experts_user_and_other_models() -> None:
    config = small_config(prices={"models": {"x": {"price_in": 3.0, "price_out": 15.0}}})
    assert prices_of(config) == {"gpt-5": Price(1.25, 10.0), "x": Price(3.0, 15.0)}
    assert prices_of(None) == {}
    assert isinstance(config, Config)
