"""The whole path on a real SLURM cluster over a real SSH login node, as an ordinary user: nothing here is a fake."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.command_line import CommandLine
from tests.lab.cluster import Lab
from tests.lab.fleet import run_directory
from tests.processes import wait_for

pytestmark = [pytest.mark.lab, pytest.mark.slow]


def test_the_main_job_from_plan_to_report(idle_lab: Lab, tau2tui: CommandLine) -> None:
    lab = idle_lab

    planned = tau2tui.run("plan").stdout
    assert "#SBATCH --job-name=oss_eval_node2\n#SBATCH --partition=gpu\n" in planned
    assert not lab.queue()

    said = tau2tui.run("launch").stderr
    assert "7/7 ready" in said
    run = run_directory(lab, tau2tui)

    # What was submitted is what was shown, owned by the ordinary user and readable by nobody else.
    script = (run / "jobs/oss_eval_node2.sbatch").read_text()
    assert script.partition("trap")[0] in planned
    assert run.stat().st_uid == lab.home.stat().st_uid != 0 and run.stat().st_mode & 0o777 == 0o700

    status = tau2tui.status()
    rows = {row["replica"]: row for row in status["replicas"]}
    assert len(rows) == 7 and {row["standing"] for row in rows.values()} == {"ready"}
    address = {node: lab.on(node, "hostname", "-i").stdout.strip() for node in lab.nodes}
    places = {name: (row["node"], row["address"], row["port"], row["gpus"]) for name, row in rows.items()}
    assert places["orchestrator-1"] == ("node1", address["node1"], 1901, [1])
    assert places["expert-1-1"] == ("node2", address["node2"], 1911, [1])
    assert places["expert-3-0"] == ("node3", address["node3"], 1920, [2, 3])
    assert {row["job_state"] for row in rows.values()} == {"RUNNING"}
    assert (run / "jobs/oss_eval_node2.out").read_text().startswith(address["node2"] + "\n")

    # Each server has its own GPUs, caches and port.
    pid = json.loads((run / "replicas/expert-3-0.json").read_text())["pid"]
    environment = lab.on("node3", "cat", f"/proc/{pid}/environ").stdout.split("\0")
    assert "CUDA_VISIBLE_DEVICES=2,3" in environment
    assert f"VLLM_CACHE_ROOT={lab.home}/cache/expert-3-0/vllm" in environment

    endpoints = json.loads((run / "model_config_oss.json").read_text())
    assert endpoints["org/One"] == [
        {"ip_addr": address["node2"], "port": "1910"},
        {"ip_addr": address["node2"], "port": "1911"},
    ]
    assert endpoints["oss_expert_mapping"]["expert-3"] == "org/Three"

    tau2tui.run("eval")
    progress = tau2tui.status()["evaluation"]
    assert progress["state"] == "finished" and progress["host"] == "login"
    assert {d["domain"]: (d["total"], d["ok"], d["passed"]) for d in progress["domains"]} == {
        "mock": (2, 2, 2),
        "airline": (2, 2, 2),
    }

    written = json.loads(tau2tui.run("report", "--json").stdout)
    report = tau2tui.directory / written["markdown"]
    assert "org/Three" in report.read_text() and "100.0 %" in report.read_text()
    assert json.loads((tau2tui.directory / written["json"]).read_text())["orchestrator"]["stats"]["count"] > 0
    assert written["charts"]

    said = tau2tui.run("stop", "--yes").stderr
    assert said.count("no process left, port") == 7 and "no job is left" in said
    assert not lab.queue()
    for node in lab.nodes:
        assert lab.on(node, "pgrep", "-f", "rehearsal_server", check=False).returncode == 1
    assert {row["standing"] for row in tau2tui.status()["replicas"]} == {"stopped"}


def test_a_replica_that_is_killed_during_the_evaluation_is_relaunched_and_no_unit_is_lost(
    idle_lab: Lab, tau2tui: CommandLine
) -> None:
    tau2tui.run("launch")
    run = run_directory(idle_lab, tau2tui)
    tau2tui.run("eval", "--domain", "mock", "--num-tasks", "9", "--detach")
    replica = run / "replicas/expert-1-0.json"
    wait_for(lambda: tau2tui.status()["evaluation"]["running"], "simulations")
    idle_lab.on("node2", "kill", "-KILL", str(json.loads(replica.read_text())["pid"]))
    wait_for(lambda: json.loads(replica.read_text())["phase"] == "failed", "the failure to be noticed")
    tau2tui.run("relaunch", "expert-1-0")
    again = json.loads(replica.read_text())
    assert again["phase"] == "ready" and again["attempt"] == 2
    tau2tui.run("eval", "--follow")
    (mock,) = tau2tui.status()["evaluation"]["domains"]
    assert (mock["total"], mock["ok"], mock["errors"]) == (9, 9, 0)


def test_a_scheduler_that_is_silent_is_not_an_empty_queue(idle_lab: Lab, tau2tui: CommandLine) -> None:
    tau2tui.run("launch")
    idle_lab.power("stop", "slurmctld")
    try:
        completed = tau2tui.run("status", "--json", status=3)
        status = json.loads(completed.stdout)
        assert "squeue" in status["sources"]["jobs"]["error"]
        assert {row["standing"] for row in status["replicas"]} == {"ready"}, "the agents still report"
        refused = tau2tui.run("stop", "--yes", status=5).stderr
        assert "the queue is not known" in refused
    finally:
        idle_lab.power("cont", "slurmctld")
    tau2tui.run("stop", "--yes")


def test_a_rejected_job_is_told_in_sbatchs_own_words(idle_lab: Lab, tau2tui: CommandLine) -> None:
    config = tau2tui.config.read_text().replace('partition = "gpu"', 'partition = "nosuch"')
    tau2tui.config.write_text(config)
    said = tau2tui.run("launch", status=4).stderr
    assert "Invalid partition" in said or "invalid partition" in said
    assert "further steps were not done" in said


def test_a_login_node_that_cannot_be_entered_is_one_line_with_a_remedy(
    idle_lab: Lab, tau2tui: CommandLine, tmp_path: Path
) -> None:
    ssh_config = tmp_path / "ssh_config"
    good = idle_lab.ssh_config.read_text()
    (tmp_path / "empty").touch()
    for change, said in (
        (re.sub(r"(UserKnownHostsFile) .*", rf"\1 {tmp_path}/empty", good), "host key"),
        (re.sub(r"(UserKnownHostsFile) .*", rf"\1 {tmp_path}/none", good), f"{tmp_path}/none"),
        (re.sub(r"(IdentityFile) .*", rf"\1 {tmp_path}/none", good), "login"),
        (re.sub(r"(Port) .*", r"\1 1", good), "no connection"),
    ):
        ssh_config.write_text(change)
        config = tau2tui.config.read_text().replace(str(idle_lab.ssh_config), str(ssh_config))
        (tmp_path / "other.toml").write_text(config)
        completed = CommandLine(tmp_path / "other.toml", tmp_path).run("status", status=3)
        assert said in completed.stderr and completed.stderr.count("\n") == 1


def test_the_node_agent_outlives_us_and_the_job_ends_in_good_order(idle_lab: Lab, tau2tui: CommandLine) -> None:
    """A cancelled job gets TERM; its agent ends the servers and says so before SLURM would kill them."""
    tau2tui.run("launch")
    run = run_directory(idle_lab, tau2tui)
    idle_lab.as_user("login", "scancel", "--name=oss_eval_node2")
    replica = run / "replicas/expert-1-0.json"
    wait_for(lambda: json.loads(replica.read_text())["phase"] == "stopped", "the agent's last word")
    assert "signal" in (run / "jobs/oss_eval_node2.out").read_text()
    others = {row["standing"] for row in tau2tui.status()["replicas"] if row["expert"] != "expert-1"}
    assert others == {"ready"}


def test_a_laptop_reaches_every_endpoint_through_the_login_node(idle_lab: Lab, tau2tui: CommandLine) -> None:
    tau2tui.run("launch")
    out = tau2tui.directory / "model_config_local.json"
    argv = [sys.executable, "-m", "tau2tui", "--config", str(tau2tui.config), "tunnel"]
    with subprocess.Popen(argv, cwd=tau2tui.directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            wait_for(out.exists, "the tunnels")
            table = json.loads(out.read_text())
            urls = {
                model: [f"http://{entry['ip_addr']}:{entry['port']}/v1/models" for entry in entries]
                for model, entries in table.items()
                if isinstance(entries, list)
            }
            assert {model: len(addresses) for model, addresses in urls.items()} == {
                "org/Agent": 2, "org/One": 2, "org/Two": 1, "org/Three": 1, "org/User": 1,
            }  # fmt: skip
            for model, addresses in urls.items():
                for address in addresses:
                    with urllib.request.urlopen(address, timeout=10) as answer:
                        assert json.loads(answer.read())["data"][0]["id"] == model
        finally:
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=30)
    assert process.returncode == 130 and b"Traceback" not in said


def test_the_evaluation_as_a_job_of_its_own_is_seen_stopped_and_resumed(idle_lab: Lab, tau2tui: CommandLine) -> None:
    small = {"cpus": 1, "mem": "800", "time": "00:30:00"}
    tau2tui.change(slurm={"exclusive": False, "gpus_per_node": 8}, evaluation={"job": small})
    tau2tui.run("launch")
    run = run_directory(idle_lab, tau2tui)

    units = ("--domain", "mock", "--num-tasks", "9", "--trials", "3")
    # One at a time: it must still go on when it was looked at and is stopped, on a slow machine too.
    tau2tui.run("eval", "--as-job", *units, "--max-concurrency", "1", "--detach")
    status = tau2tui.status()
    (job,) = [job for job in status["jobs"] if job["name"] == "tau2_eval"]
    assert job["state"] == "running"
    assert status["evaluation"]["host"] == job["nodes"] != "login"
    # It is none of the fleet's: nothing of that changes, and a second one is refused.
    assert {row["standing"] for row in status["replicas"]} == {"ready"}
    assert f"evaluation as job {job['id']}: RUNNING" in tau2tui.run("status").stdout
    assert "is running" in tau2tui.run("eval", "--detach", status=5).stderr

    tau2tui.run("eval", "--stop", "--yes")
    wait_for(lambda: tau2tui.status()["evaluation"]["state"] == "stopped", "the evaluation stops")
    wait_for(lambda: "tau2_eval" not in idle_lab.queue(), "its job ends")

    # The time limit, or a cancel, ends it in good order too; what was finished is kept.
    tau2tui.run("eval", "--as-job", *units, "--detach")
    (again,) = [job for job in tau2tui.status()["jobs"] if job["name"] == "tau2_eval" and job["state"] == "running"]
    assert again["id"] != job["id"]
    tau2tui.run("eval", "--follow")
    (mock,) = tau2tui.status()["evaluation"]["domains"]
    assert (mock["total"], mock["ok"], mock["errors"]) == (27, 27, 0)
    assert len(list((run / "eval/units/mock").iterdir())) == 27
    tau2tui.run("stop", "--yes")
    assert not idle_lab.queue()
