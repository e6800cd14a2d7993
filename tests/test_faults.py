"""What breaks on a cluster, broken on purpose: nothing is lost, nothing ends that has not, the right row says why."""

from __future__ import annotations

import json

import pytest
import tomlkit

from tests.command_line import CommandLine
from tests.lab.cluster import Lab
from tests.lab.fleet import rows, run_directory
from tests.processes import wait_for

pytestmark = [pytest.mark.lab, pytest.mark.slow]


def test_a_node_that_loses_power_is_unknown_until_slurm_says_more_and_the_others_go_on(
    idle_lab: Lab, tau2tui: CommandLine
) -> None:
    tau2tui.run("launch")
    idle_lab.power("off", "node2")
    seen: set[str] = set()

    def waits_again() -> bool:
        now = rows(tau2tui)
        seen.add(now["expert-1-0"]["standing"])
        assert {row["standing"] for name, row in now.items() if not name.startswith("expert-1-")} == {"ready"}
        return bool(now["expert-1-0"]["standing"] == "queued")

    wait_for(waits_again, "the job to be requeued", timeout_s=120)
    assert seen <= {"ready", "unknown", "queued"}, "it never failed, and never ended"
    refused = tau2tui.run("relaunch", "expert-1-0", status=5).stderr
    assert "is queued" in refused


def test_an_agent_that_is_killed_loses_no_server(idle_lab: Lab, tau2tui: CommandLine) -> None:
    tau2tui.run("launch")
    run = run_directory(idle_lab, tau2tui)
    before = json.loads((run / "replicas/expert-1-0.json").read_text())
    idle_lab.on("node2", "pkill", "-KILL", "-f", "node_agent.py run")

    def taken_over() -> bool:
        now = json.loads((run / "replicas/expert-1-0.json").read_text())
        return bool(now["phase"] == "ready" and now["heartbeat_at"] > before["heartbeat_at"] + 2)

    wait_for(taken_over, "the next agent")
    after = json.loads((run / "replicas/expert-1-0.json").read_text())
    assert (after["pid"], after["attempt"]) == (before["pid"], 1)
    assert idle_lab.job_state(before["job_id"]) == "RUNNING"
    assert "expert-1-0 stopped" in tau2tui.run("stop", "expert-1-0", "--yes").stderr


def test_a_controller_that_dies_and_comes_back_ends_nothing(idle_lab: Lab, tau2tui: CommandLine) -> None:
    tau2tui.run("launch")
    idle_lab.power("kill", "slurmctld")
    during = rows(tau2tui, status=3)
    assert {row["standing"] for row in during.values()} == {"ready"}
    assert {row["job_state"] for row in during.values()} == {""}, "no state is made up for the jobs"
    idle_lab.power("start", "slurmctld")
    wait_for(lambda: tau2tui.run("status", status=None).returncode == 0, "squeue to answer again")
    assert {row["job_state"] for row in rows(tau2tui).values()} == {"RUNNING"}


def test_before_the_time_limit_every_server_is_drained_and_the_job_ends_well(
    idle_lab: Lab, tau2tui: CommandLine
) -> None:
    config = tomlkit.parse(tau2tui.config.read_text()).unwrap()
    config["slurm"] |= {"time": "2", "grace_s": 90}
    tau2tui.config.write_text(tomlkit.dumps(config))
    tau2tui.run("launch")
    run = run_directory(idle_lab, tau2tui)
    job_id = json.loads((run / "replicas/expert-1-0.json").read_text())["job_id"]
    wait_for(lambda: idle_lab.job_state(job_id) == "COMPLETED", "the end of the job", timeout_s=150)
    state = json.loads((run / "replicas/expert-1-0.json").read_text())
    assert [phase for phase, _ in state["phases"]][-3:] == ["draining", "stopping", "stopped"]
    assert "the time limit" in (run / "jobs/oss_eval_node2.out").read_text()
