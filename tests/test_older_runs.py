"""Run directories that older versions wrote are read without an error, with their own node agent in them.

tests/data/runs/first was recorded with the first version that evaluated, before-hand-over with the last one before jobs
could be handed over: rehearsals of one task in each domain, of which the files are kept that are read again. Only
paths and names of people were changed.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
import tomli
import tomlkit

from tests.command_line import CommandLine

RECORDED = Path(__file__).parent / "data" / "runs"
RUNS = ("first", "before-hand-over")
NEW_IN_REPLICAS = {"phases", "failure", "restart_at", "started_ticks"}
NEW_IN_STATES = {
    "cost_usd",
    "tokens",
    "unit_errors",
    "terminations",
    "errors_by_role",
    "duration_domains",
    "unit_starts",
}


@pytest.fixture(params=RUNS)
def tau2tui(request: pytest.FixtureRequest, tmp_path: Path) -> CommandLine:
    run = tmp_path / "runs" / str(request.param)
    shutil.copytree(RECORDED / request.param, run)
    (run / "node_agent.py.txt").rename(run / "node_agent.py")
    settings = tomli.loads((run / "run.toml").read_text())
    del settings["submitted"]
    settings["run"]["directory"] = str(run.parent)
    settings["cluster"]["python"] = sys.executable
    (tmp_path / "config.toml").write_text(tomlkit.dumps(settings))
    return CommandLine(tmp_path / "config.toml", tmp_path)


@pytest.mark.parametrize("name", RUNS)
def test_the_recorded_files_really_lack_what_came_later(name: str) -> None:
    state = json.loads((RECORDED / name / "eval" / "state.json").read_text())
    assert not NEW_IN_STATES & set(state)
    replica = json.loads((RECORDED / name / "replicas" / "expert-1-0.json").read_text())
    assert bool(NEW_IN_REPLICAS & set(replica)) == (name == "before-hand-over")


@pytest.mark.slow
def test_every_reading_word_takes_it(tau2tui: CommandLine) -> None:
    status = tau2tui.status()
    assert status["run"] in RUNS
    assert {replica["standing"] for replica in status["replicas"]} == {"stopped"}
    evaluation = status["evaluation"]
    assert evaluation["state"] == "finished"
    assert {domain["domain"]: domain["passed"] for domain in evaluation["domains"]} == {
        "retail": 1, "telecom": 1, "airline": 1, "mock": 1,
    }  # fmt: skip
    latency = json.loads(tau2tui.run("latency", "--json").stdout)
    assert "orchestrator" in json.dumps(latency)
    report = json.loads(tau2tui.run("report", "--no-charts", "--json").stdout)
    assert "4" in Path(report["markdown"]).read_text()
    run = tau2tui.run("runs").stdout.split()[0]
    assert json.loads(tau2tui.run("compare", run, run, "--json").stdout)["a"] == run
    for word in ("progress", "errors", "diagnose"):
        tau2tui.run(word, "--json")
