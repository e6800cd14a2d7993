"""The word `smoke` on a fleet of this machine, from the launch to its report."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomlkit

from tests.command_line import CommandLine
from tests.processes import free_port

pytestmark = pytest.mark.slow


@pytest.fixture
def tau2tui(tmp_path: Path) -> Iterator[CommandLine]:
    """An agent, an expert and a user simulator, ready; the expert's window is too short for a full conversation."""

    def expert(gpu: int, **more: Any) -> dict[str, Any]:
        return {"model": f"m{gpu}", "node": 1, "gpus": [gpu], "port": free_port(), "stagger_s": 0, **more}

    document = {
        "run": {"directory": str(tmp_path / "runs")},
        "cluster": {"scheduler": "local"},
        "serve": {"engine": "rehearsal", "host": "127.0.0.1", "cache": str(tmp_path / "cache"), "stop_timeout_s": 5},
        "rehearsal": {"start_s": 0, "speed": 500},
        "evaluation": {"domains": ["airline"], "smoke_tasks": 1},
        "experts": {
            "agent": expert(0, role="agent"),
            "expert-1": expert(1, args={"max-model-len": 20000}),
            "player": expert(2, role="user", probe="text"),
        },
    }
    config = tmp_path / "config.toml"
    config.write_text(tomlkit.dumps(document))
    tau2tui = CommandLine(config, tmp_path)
    tau2tui.run("launch")
    yield tau2tui
    tau2tui.run("stop", "--yes", status=None)


def test_it_reports_what_passed_failed_and_was_not_exercised_and_stands_before_a_full_run(tau2tui: CommandLine) -> None:
    assert "has no smoke test" in tau2tui.run("smoke", "--last", status=7).stderr
    steps = tau2tui.run("smoke", "--dry-run").stdout.splitlines()
    assert len(steps) == 3 and steps[2].startswith("wait until the smoke test is over")

    report = json.loads(tau2tui.run("smoke", "--json", status=4).stdout)
    found = {(check["check"], check["subject"]): check for check in report["checks"]}
    assert not report["passed"]
    assert [key for key, check in found.items() if check["result"] == "failed"] == [("context window", "expert-1")]
    assert found["context window", "expert-1"]["evidence"] == "31000 tokens are needed: expert-1-0 20000"
    assert found["tool call parsed", "expert-1"]["result"] == "passed"

    shown = tau2tui.run("smoke", "--last", status=4)
    assert "failed         context window       expert-1" in shown.stdout.splitlines()[-1]
    assert "1 failed" in shown.stderr

    refused = tau2tui.run("eval", status=4).stderr
    assert "the smoke test failed: context window, expert-1" in refused and "--no-smoke" in refused
    tau2tui.run("smoke", "--domain", "mock", "--mode", "solo")
    assert "10 passed" in tau2tui.run("smoke", "--last").stdout.splitlines()[-1]
    tau2tui.run("eval", "--num-tasks", "1")
