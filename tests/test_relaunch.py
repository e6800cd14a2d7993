"""Relaunch with real processes on this machine: with changed settings, of everything that failed, of a whole job."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomlkit

from tau2tui.config import load, load_submitted
from tests.command_line import CommandLine
from tests.processes import free_port, wait_for

pytestmark = pytest.mark.slow


@pytest.fixture
def tau2tui(tmp_path: Path) -> Iterator[CommandLine]:
    """An agent and two experts, ready, on two "nodes" of the local scheduler."""

    def expert(model: str, node: int, gpu: int, **more: Any) -> dict[str, Any]:
        return {"model": model, "node": node, "gpus": [gpu], "port": free_port(), "stagger_s": 0, **more}

    serve = {"engine": "rehearsal", "host": "127.0.0.1", "cache": str(tmp_path / "cache"), "stop_timeout_s": 5}
    document = {
        "run": {"directory": str(tmp_path / "runs")},
        "cluster": {"scheduler": "local"},
        "serve": {**serve, "restart": {"attempts": 0}},
        "rehearsal": {"start_s": 0},
        "experts": {
            "agent": expert("a", 1, 0, role="agent"),
            "expert-1": expert("b", 2, 0),
            "expert-2": expert("c", 2, 1),
        },
    }
    config = tmp_path / "config.toml"
    config.write_text("# mine\n" + tomlkit.dumps(document))
    tau2tui = CommandLine(config, tmp_path)
    tau2tui.run("launch")
    yield tau2tui
    tau2tui.run("stop", "--yes", status=None)


def run_of(tau2tui: CommandLine) -> Path:
    (run,) = tau2tui.directory.glob("runs/2*")
    return run


def state(tau2tui: CommandLine, replica: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run_of(tau2tui) / "replicas" / f"{replica}.json").read_text())
    return found


def kill(tau2tui: CommandLine, *replicas: str) -> None:
    for replica in replicas:
        os.kill(state(tau2tui, replica)["pid"], signal.SIGKILL)
    wait_for(lambda: {state(tau2tui, name)["phase"] for name in replicas} == {"failed"}, "the failures")


def test_everything_that_failed_comes_back_with_one_word(tau2tui: CommandLine) -> None:
    assert "no replica has failed" in tau2tui.run("relaunch", "--failed", status=5).stderr
    kill(tau2tui, "expert-1-0", "agent-0")
    tau2tui.run("relaunch", "--failed")
    attempts = {name: state(tau2tui, name)["attempt"] for name in ("agent-0", "expert-1-0", "expert-2-0")}
    assert attempts == {"agent-0": 2, "expert-1-0": 2, "expert-2-0": 1}


def test_the_logs_of_the_run_are_diagnosed_each_replica_by_its_latest_attempt(tau2tui: CommandLine) -> None:
    def found() -> list[dict[str, Any]]:
        findings: list[dict[str, Any]] = json.loads(tau2tui.run("diagnose", "--json").stdout)
        return findings

    assert found() == [], "a fleet that is well"
    with (run_of(tau2tui) / "logs/expert-1-0.1.log").open("a") as log:
        log.write("torch.OutOfMemoryError: CUDA out of memory\n")
    (finding,) = found()
    assert (finding["replica"], finding["job"]) == ("expert-1-0", "oss_eval_node2")
    assert finding["argv"] == ["tau2tui", "relaunch", "expert-1-0", "--set", "gpu_memory_utilization=0.88"]
    assert finding["complete"] and finding["file"].endswith("/logs/expert-1-0.1.log")
    assert {row["diagnosis"] for row in tau2tui.status()["replicas"]} == {None}, "none has failed"
    tau2tui.run(*finding["argv"][1:], "--yes")
    assert state(tau2tui, "expert-1-0")["attempt"] == 2 and found() == []


def test_a_changed_setting_reaches_the_server_the_run_and_on_request_the_file(tau2tui: CommandLine) -> None:
    kill(tau2tui, "expert-1-0")
    said = tau2tui.run("relaunch", "expert-1-0", "--set", "gpu_memory_utilization=lots", status=2).stderr
    assert "--set gpu_memory_utilization" in said
    assert "cannot change" in tau2tui.run("relaunch", "expert-1-0", "--set", "port=1", status=5).stderr
    tau2tui.run("relaunch", "expert-1-0", "--set", "gpu_memory_utilization=0.88", "--save")
    command = Path(f"/proc/{state(tau2tui, 'expert-1-0')['pid']}/cmdline").read_bytes().split(b"\0")
    assert command[command.index(b"--gpu-memory-utilization") + 1] == b"0.88"
    assert load_submitted(run_of(tau2tui) / "run.toml").experts["expert-1"].gpu_memory_utilization == 0.88
    assert load(tau2tui.config, {}).experts["expert-1"].gpu_memory_utilization == 0.88
    assert tau2tui.config.read_text().startswith("# mine\n"), "comments are kept"
    assert state(tau2tui, "expert-2-0")["attempt"] == 1


def test_a_whole_job_is_stopped_and_submitted_again_while_the_other_goes_on(tau2tui: CommandLine) -> None:
    before = {name: state(tau2tui, name) for name in ("agent-0", "expert-1-0")}
    said = tau2tui.run("relaunch", "--job", "oss_eval_node2", "--yes").stderr
    assert "no process left" in said and "2/2 ready" in said
    after = {name: state(tau2tui, name) for name in ("agent-0", "expert-1-0")}
    assert after["agent-0"]["pid"] == before["agent-0"]["pid"]
    assert after["expert-1-0"]["job_id"] != before["expert-1-0"]["job_id"]


def test_what_is_meant_has_to_be_said(tau2tui: CommandLine) -> None:
    tau2tui.run("relaunch", status=2)
    tau2tui.run("relaunch", "expert-1-0", "--failed", status=2)
    tau2tui.run("relaunch", "expert-1-0", "--save", status=2)
