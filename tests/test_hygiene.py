"""GPU hygiene on real nodes: of everything that holds a GPU, exactly what is stale is ended."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import tomlkit

from tests.command_line import CommandLine
from tests.lab.cluster import Lab
from tests.lab.fleet import cluster_config, leave_a_node_free

pytestmark = [pytest.mark.lab, pytest.mark.slow]
NODE = "node2"


@dataclass(frozen=True)
class Holder:
    """A process on the node that holds a GPU."""

    lab: Lab
    pid: int

    @property
    def alive(self) -> bool:
        return self.lab.on(NODE, "kill", "-0", str(self.pid), check=False).returncode == 0


def hold(lab: Lab, gpu: int, environment: str = "", title: str = "sleep") -> Holder:
    """Start a process of the ordinary user outside any job; it has no parent but the node's first process."""
    script = f"{environment} setsid bash -c 'exec -a {title} sleep 3600' </dev/null >/dev/null 2>&1 & echo $!"
    pid = int(lab.as_user(NODE, "bash", "-c", script).stdout)
    lab.register_gpu_process(NODE, gpu, pid, 1000 * (gpu + 1))
    return Holder(lab, pid)


@pytest.mark.parametrize("via", ["agent", "ssh", "srun"])
def test_exactly_the_orphans_are_ended_and_everything_else_is_named_with_its_reason(
    idle_lab: Lab, tau2tui: CommandLine, via: str
) -> None:
    lab = idle_lab
    tau2tui.run("launch")
    job_id = next(row["job_id"] for row in tau2tui.status()["replicas"] if row["node"] == NODE)
    ended_job = hold(lab, 2, "SLURM_JOB_ID=99999")
    orphan = hold(lab, 3, title="VLLM::EngineCore")
    live_job = hold(lab, 4, f"SLURM_JOB_ID={job_id}")
    notebook = hold(lab, 5)
    foreign = Holder(lab, lab.start_gpu_process(NODE, 6, 7000, as_root=True))

    (report,) = json.loads(tau2tui.run("gpus", NODE, "--via", via, "--json").stdout)
    assert not report["error"] and len(report["gpus"]) == 8
    verdicts = {process["pid"]: (process["stale"], process["why"]) for process in report["processes"]}
    assert verdicts == {
        ended_job.pid: (True, "its job 99999 has ended"),
        orphan.pid: (True, "an orphan of vLLM: its parent is gone"),
        live_job.pid: (False, f"belongs to job {job_id}, which lives"),
        notebook.pid: (False, "yours, but of no job: not touched"),
        foreign.pid: (False, "belongs to root"),
    }
    assert {process["used_mib"] for process in report["processes"]} == {3000, 4000, 5000, 6000, 7000}

    assert "this ends something" in tau2tui.run("clean", NODE, "--via", via, status=5).stderr
    assert ended_job.alive
    said = tau2tui.run("clean", NODE, "--via", via, "--yes").stderr
    assert "7000 MiB freed" in said and "left: pid" in said
    alive = {holder.pid: holder.alive for holder in (ended_job, orphan, live_job, notebook, foreign)}
    assert alive == {
        ended_job.pid: False, orphan.pid: False, live_job.pid: True, notebook.pid: True, foreign.pid: True,
    }  # fmt: skip
    assert "no process on these GPUs is stale" in tau2tui.run("clean", NODE, "--via", via, "-y", status=5).stderr
    assert {row["standing"] for row in tau2tui.status()["replicas"]} == {"ready"}


def test_while_the_scheduler_is_silent_nothing_is_stale(idle_lab: Lab, tau2tui: CommandLine) -> None:
    tau2tui.run("launch")
    holder = hold(idle_lab, 2, "SLURM_JOB_ID=99999")
    idle_lab.power("stop", "slurmctld")
    try:
        (report,) = json.loads(tau2tui.run("gpus", NODE, "--via", "ssh", "--json").stdout)
    finally:
        idle_lab.power("cont", "slurmctld")
    (process,) = report["processes"]
    assert (process["pid"], process["stale"]) == (holder.pid, False)
    assert process["why"] == "whether its job 99999 lives is not known"


def test_nodes_that_forbid_logins_are_reached_by_slurm(lab_without_node_logins: Lab, tmp_path: Path) -> None:
    lab = lab_without_node_logins
    tau2tui = CommandLine(tmp_path / "config.toml", tmp_path)
    tau2tui.config.write_text(tomlkit.dumps(cluster_config(lab)))
    leave_a_node_free(tau2tui)
    tau2tui.run("launch")
    orphan = hold(lab, 6, title="VLLM::EngineCore")
    assert "Connection refused" in tau2tui.run("gpus", NODE, "--via", "ssh", status=3).stdout
    lab.on(NODE, "pkill", "-STOP", "-f", "node_agent.py run")  # so that the job's agent does not answer either
    (report,) = json.loads(tau2tui.run("gpus", NODE, "--json").stdout)
    assert report["via"] == "srun" and [process["pid"] for process in report["processes"]] == [orphan.pid]
    lab.on(NODE, "pkill", "-CONT", "-f", "node_agent.py run")
    tau2tui.run("clean", NODE, "--via", "srun", "--yes")
    assert not orphan.alive
    lab.cancel_all_and_wait()


def test_a_node_can_be_asked_before_anything_was_launched(idle_lab: Lab, tau2tui: CommandLine) -> None:
    tau2tui.change(run={"directory": "~/nothing launched here"})
    stale = hold(idle_lab, 2, "SLURM_JOB_ID=99999")
    assert "name the nodes" in tau2tui.run("gpus", status=7).stderr
    (report,) = json.loads(tau2tui.run("gpus", NODE, "--json").stdout)
    assert report["via"] == "ssh" and [process["stale"] for process in report["processes"]] == [True]
    assert "3000 MiB freed" in tau2tui.run("clean", NODE, "--yes").stderr
    assert not stale.alive


def test_a_node_that_cannot_be_reached_is_told_as_such(idle_lab: Lab, tau2tui: CommandLine) -> None:
    tau2tui.run("launch")
    completed = tau2tui.run("gpus", "node9", "--via", "ssh", "--json", status=3)
    (report,) = json.loads(completed.stdout)
    assert "node9" in report["error"] and report["gpus"] == []


def test_a_replica_starts_on_a_gpu_that_it_cleaned_and_not_on_one_that_another_holds(
    idle_lab: Lab, tau2tui: CommandLine
) -> None:
    stale = hold(idle_lab, 0, "SLURM_JOB_ID=99999")
    foreign = Holder(idle_lab, idle_lab.start_gpu_process(NODE, 1, 7000, as_root=True))
    config = tomlkit.parse(tau2tui.config.read_text()).unwrap()
    config["serve"]["restart"] = {"attempts": 0}
    tau2tui.config.write_text(tomlkit.dumps(config))
    said = tau2tui.run("launch", status=4).stderr
    rows = {row["replica"]: row for row in tau2tui.status()["replicas"]}
    assert rows["expert-1-0"]["standing"] == "ready" and not stale.alive
    assert rows["expert-1-1"]["standing"] == "failed" and foreign.alive
    assert f"GPU held by pid {foreign.pid} of root, 7000 MiB" in rows["expert-1-1"]["why"]
    assert "expert-1-1 failed: GPU held by" in said

    # The node is remembered, can be left out, and is forgotten once its GPU was found clean.
    (dirty,) = json.loads(tau2tui.run("gpus", "--dirty", "--json").stdout)
    assert (dirty["node"], dirty["gpus"]) == (NODE, ["1"]) and f"pid {foreign.pid} of root" in dirty["reason"]
    assert f"{NODE} is dirty since 20" in tau2tui.run("status").stdout
    planned = tau2tui.run("launch", "--exclude-dirty", "--dry-run")
    assert planned.stdout.count(f"--exclude={NODE}") == 3 and f"excluded: {NODE} is dirty since" in planned.stderr
    idle_lab.on(NODE, "kill", str(foreign.pid))
    tau2tui.run("relaunch", "expert-1-1")
    assert json.loads(tau2tui.run("gpus", "--dirty", "--json").stdout) == []
