"""What breaks on a cluster, broken on purpose: nothing is lost, nothing ends that has not, the right row says why."""

from __future__ import annotations

import json
import os
import sys

import pytest
import tomlkit

from tests.command_line import CommandLine
from tests.lab.cluster import Lab
from tests.lab.fleet import rows, run_directory
from tests.processes import wait_for
from tests.terminal import Terminal

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


@pytest.mark.parametrize("fault", ["kill slurmd@node2", "unplug node2"])
def test_a_node_that_slurm_loses_sight_of_goes_on_serving_and_is_told_so(
    idle_lab: Lab, tau2tui: CommandLine, fault: str
) -> None:
    """SLURM requeues its job, while agent and servers go on and write the shared run directory."""
    tau2tui.run("launch")
    before = rows(tau2tui)["expert-1-0"]
    idle_lab.power(*fault.split())
    told = "SLURM has its job"
    wait_for(lambda: told in rows(tau2tui)["expert-1-0"]["why"], "the contradiction to be told", timeout_s=120)
    now = rows(tau2tui)
    assert {row["standing"] for row in now.values()} == {"ready"}
    assert now["expert-1-0"]["job_state"] == "PENDING" and now["expert-1-0"]["attempt"] == before["attempt"]
    assert {row["job_state"] for name, row in now.items() if not name.startswith("expert-1-")} == {"RUNNING"}


def test_a_run_directory_without_room_takes_no_server_down_and_is_not_taken_for_an_end(
    idle_lab: Lab, tau2tui: CommandLine
) -> None:
    tau2tui.change(run={"directory": str(idle_lab.small / "runs")})
    tau2tui.run("launch")
    before = rows(tau2tui)
    idle_lab.as_user("login", "dd", "if=/dev/zero", f"of={idle_lab.small}/filler", "bs=64k", check=False)
    wait_for(lambda: {row["standing"] for row in rows(tau2tui).values()} == {"unknown"}, "the silence to be told")
    assert "no word from its node agent" in rows(tau2tui)["expert-1-0"]["why"]
    refused = tau2tui.run("relaunch", "expert-1-0", "--yes", status=4).stderr
    assert "cannot be written" in refused and "Traceback" not in refused
    idle_lab.as_user("login", "rm", f"{idle_lab.small}/filler")
    wait_for(lambda: {row["standing"] for row in rows(tau2tui).values()} == {"ready"}, "the agents to be heard again")
    assert {name: row["attempt"] for name, row in rows(tau2tui).items()} == dict.fromkeys(before, 1)


def test_each_replica_that_does_not_become_ready_says_its_own_reason(idle_lab: Lab, tau2tui: CommandLine) -> None:
    listen = "import socket,time; s=socket.create_server(('0.0.0.0', 1911)); print(1, flush=True); time.sleep(3600)"
    idle_lab.as_user("node2", "bash", "-c", f'setsid python3 -c "{listen}" </dev/null >/dev/null 2>&1 &')
    config = tomlkit.parse(tau2tui.config.read_text()).unwrap()
    experts = config["experts"]
    experts["expert-2"]["args"] = ["--fault", "hang"]
    experts["expert-3"]["args"] = ["--fault", "wrong-id"]
    tau2tui.change(experts=experts, serve={"start_timeout_s": 20, "restart": {"attempts": 0}})
    said = tau2tui.run("launch", status=6).stderr
    assert "4/7 ready" in said, said
    wait_for(lambda: "not ready after 20 s" in rows(tau2tui)["expert-2-0"]["why"], "the agents to lose patience")
    why = {name: (row["standing"], row["why"]) for name, row in rows(tau2tui).items() if row["standing"] != "ready"}
    assert why.keys() == {"expert-1-1", "expert-2-0", "expert-3-0"}
    assert why["expert-1-1"][0] == "failed" and "Address already in use" in why["expert-1-1"][1]
    assert why["expert-2-0"][0] == "starting" and "not ready after 20 s" in why["expert-2-0"][1]
    assert why["expert-3-0"][0] == "starting" and "expected org/Three" in why["expert-3-0"][1]
    stopped = tau2tui.run("stop", "--yes").stderr
    assert stopped.count("no process left") == 6 and "no job is left" in stopped, "what had failed was stopped before"
    assert idle_lab.on("node2", "pgrep", "-f", "create_server", check=False).returncode == 0, "it is not ours to end"


def test_a_screen_that_is_killed_loses_nothing_and_the_next_one_shows_the_same(
    idle_lab: Lab, tau2tui: CommandLine
) -> None:
    tau2tui.run("launch")
    command = [sys.executable, "-m", "tau2tui", "--config", str(tau2tui.config)]
    terminal = Terminal(f"tau2tui-{os.getpid()}-fault", command, 100, 30, tau2tui.directory)
    try:
        terminal.wait_for("●7 ready")
        pid = terminal.pid_of("tau2tui")
        os.kill(pid, 9)
        terminal.wait_for("ended with 137")
        assert {row["standing"] for row in rows(tau2tui).values()} == {"ready"}
    finally:
        terminal.close()
    again = Terminal(f"tau2tui-{os.getpid()}-again", command, 100, 30, tau2tui.directory)
    try:
        again.wait_for("●7 ready")
    finally:
        again.close()


def test_jobs_of_the_same_user_that_are_not_ours_are_neither_shown_nor_touched(
    idle_lab: Lab, tau2tui: CommandLine
) -> None:
    """An array and a heterogeneous job: their processes see other ids than squeue shows by default."""
    tau2tui.change(run={"directory": "~/no run yet"})
    share = ("--mem=100", "--nodelist=node3", "--gres=none")
    script = "#!/bin/bash\necho $$ >>~/others.$SLURM_JOB_ID; sleep 3600"
    array = idle_lab.as_user("login", "sbatch", "--parsable", "--array=1-2", *share, stdin=script).stdout.strip()
    het = "#!/bin/bash\n#SBATCH --mem=100\n#SBATCH --nodelist=node3\n#SBATCH hetjob\n#SBATCH --mem=100\n"
    mixed = idle_lab.as_user("login", "sbatch", "--parsable", stdin=het + script.partition("\n")[2]).stdout.strip()
    wait_for(lambda: len(list(idle_lab.home.glob("others.*"))) == 3, "both jobs to run")
    pids = [int(path.read_text()) for path in sorted(idle_lab.home.glob("others.*"))]
    for gpu, pid in enumerate(pids):
        idle_lab.register_gpu_process("node3", gpu, pid, 1000)

    (report,) = json.loads(tau2tui.run("gpus", "node3", "--json").stdout)
    assert {process["pid"]: process["stale"] for process in report["processes"]} == dict.fromkeys(pids, False)
    assert all("which lives" in process["why"] for process in report["processes"])
    assert "no process on these GPUs is stale" in tau2tui.run("clean", "node3", "--yes", status=5).stderr
    shown = tau2tui.status()
    assert shown["jobs"] == [] and {row["standing"] for row in shown["replicas"]} == {"absent"}
    states = {line for job in (array, mixed) for line in idle_lab.job_state(job).split()}
    assert states == {"RUNNING"}
    for path in idle_lab.home.glob("others.*"):
        path.unlink()
