"""Jobs that are replaced while their replicas answer, and changes that the scheduler did not confirm, on real SLURM."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.command_line import CommandLine
from tests.lab.cluster import Lab
from tests.lab.fleet import leave_a_node_free, rows, run_directory
from tests.processes import wait_for

pytestmark = [pytest.mark.lab, pytest.mark.slow]


@contextmanager
def started(tau2tui: CommandLine, *words: str) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A word that runs while the test goes on, and the file with what it says."""
    said = tau2tui.directory / f"{words[0]}.said"
    argv = [sys.executable, "-m", "tau2tui", "--config", str(tau2tui.config), *words]
    with said.open("w") as output, subprocess.Popen(argv, cwd=tau2tui.directory, stderr=output, text=True) as process:
        try:
            yield process, said
        finally:
            process.kill()


def test_a_job_is_handed_over_to_another_node_while_the_evaluation_goes_on(idle_lab: Lab, tau2tui: CommandLine) -> None:
    leave_a_node_free(tau2tui)
    tau2tui.change(rehearsal={"speed": 15, "start_s": 0})
    tau2tui.run("launch")
    run = run_directory(idle_lab, tau2tui)
    before = rows(tau2tui)
    (line,) = tau2tui.run("relaunch", "--job", "oss_eval_node2", "--hand-over", "--dry-run").stdout.splitlines()
    assert "--exclude=node2" in line and "--begin=now+" not in line, "one hour is left: it may start at once"
    tau2tui.run("eval", "--domain", "mock", "--num-tasks", "9", "--trials", "3", "--detach")

    said = tau2tui.run("relaunch", "--job", "oss_eval_node2", "--hand-over", "--now").stderr
    assert "4/4 ready" in said
    assert tau2tui.status()["evaluation"]["state"] == "running"
    after = rows(tau2tui)
    assert {row["standing"] for row in after.values()} == {"ready"}
    assert {name: row["node"] for name, row in after.items()} == {
        name: {"node2": "node3"}.get(row["node"], row["node"]) for name, row in before.items()
    }
    old = before["expert-1-0"]["job_id"]
    wait_for(lambda: idle_lab.job_state(old) == "COMPLETED", "the old job to drain and end", timeout_s=120)
    left = json.loads((run / "predecessors/expert-1-0.json").read_text())
    assert left["phase"] == "stopped" and "no process left" in left["why"] and left["node"] == "node2"

    tau2tui.run("eval", "--follow")
    (mock,) = tau2tui.status()["evaluation"]["domains"]
    assert (mock["total"], mock["ok"], mock["errors"]) == (27, 27, 0)
    endpoints = json.loads((run / "model_config_oss.json").read_text())
    address = idle_lab.on("node3", "hostname", "-i").stdout.strip()
    assert {entry["ip_addr"] for entry in endpoints["org/One"]} == {address}
    assert "no job is left" in tau2tui.run("stop", "--yes").stderr


def test_a_submission_and_a_cancelling_that_time_out_happen_once(idle_lab: Lab, tau2tui: CommandLine) -> None:
    """A frozen controller does what it was asked when it wakes, long after sbatch and scancel have given up."""
    with started(tau2tui, "launch") as (process, said):
        wait_for(lambda: "run " in said.read_text(), "the launch to begin")
        idle_lab.power("stop", "slurmctld")
        wait_for(lambda: "looking whether it was submitted" in said.read_text(), "sbatch to give up")
        idle_lab.power("cont", "slurmctld")
        assert process.wait(180) == 0, said.read_text()
    assert "found in the queue" in said.read_text() and "7/7 ready" in said.read_text()
    names = Counter(line.split("|")[1] for line in idle_lab.queue().splitlines())
    assert names == {"oss_eval_node1": 1, "oss_eval_node2": 1, "oss_eval_node3": 1}

    run = run_directory(idle_lab, tau2tui)
    with started(tau2tui, "stop", "--yes") as (process, said):
        wait_for(lambda: list(run.glob("control/*-stop.json")), "the agents to be asked")
        idle_lab.power("stop", "slurmctld")
        wait_for(lambda: "looking whether it was done" in said.read_text(), "scancel to give up")
        idle_lab.power("cont", "slurmctld")
        assert process.wait(180) == 0, said.read_text()
    assert "no job is left" in said.read_text()
    assert not idle_lab.queue()


def test_a_launch_that_is_killed_loses_nothing(idle_lab: Lab, tau2tui: CommandLine) -> None:
    with started(tau2tui, "launch") as (process, said):
        wait_for(lambda: "/7 ready" in said.read_text(), "the launch to wait")
        process.kill()
    tau2tui.run("wait")
    assert {row["standing"] for row in rows(tau2tui).values()} == {"ready"}
    names = Counter(line.split("|")[1] for line in idle_lab.queue().splitlines())
    assert names == {"oss_eval_node1": 1, "oss_eval_node2": 1, "oss_eval_node3": 1}
