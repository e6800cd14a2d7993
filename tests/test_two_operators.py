"""Two operators on one run, on two machines: no request is lost, and nothing is launched twice."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import tomlkit

from tests.command_line import CommandLine
from tests.lab.cluster import Lab
from tests.lab.fleet import cluster_config, rows, run_directory
from tests.processes import wait_for

pytestmark = [pytest.mark.lab, pytest.mark.slow]
PROGRAM = ("env", "PYTHONPATH=/opt/tau2tui", "/opt/tau2tui/.venv/bin/python", "-m", "tau2tui")
Ended = subprocess.CompletedProcess[str]


class OnTheCluster:
    """The second operator: the same user on a compute node, without SSH, with a configuration of their own."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        config = cluster_config(lab)
        config["cluster"] = {"python": "/usr/bin/python3"}
        (lab.home / "bob.toml").write_text(tomlkit.dumps(config))
        (lab.home / "bob.toml").chmod(0o644)

    def run(self, *words: str) -> Ended:
        return self._lab.as_user(
            "node3", *PROGRAM, "--config", f"{self._lab.home}/bob.toml", *words, check=False, timeout_s=300
        )


def at_once(*calls: Callable[[], Ended]) -> list[Ended]:
    """Start them together; how each ended."""
    ended: dict[int, Ended] = {}
    begin = threading.Barrier(len(calls))

    def call(number: int) -> None:
        begin.wait()
        ended[number] = calls[number]()

    threads = [threading.Thread(target=call, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [ended[number] for number in range(len(calls))]


def queued(lab: Lab) -> list[str]:
    """The names of all jobs that are queued or run."""
    return sorted(lab.as_user("login", "squeue", "--noheader", "--format=%j").stdout.split())


def test_two_operators_launch_restart_and_stop_the_same_at_once(idle_lab: Lab, tau2tui: CommandLine) -> None:
    bob = OnTheCluster(idle_lab)
    name = ("--run", "shared")
    fleet = ["oss_eval_node1", "oss_eval_node2", "oss_eval_node3"]

    launch = (*name, "launch", "--no-wait")
    ended = at_once(lambda: tau2tui.run(*launch, status=None), lambda: bob.run(*launch))
    assert sorted(each.returncode for each in ended) == [0, 5], [each.stderr for each in ended]
    assert queued(idle_lab) == fleet, "each job once"
    tau2tui.run("wait")

    # The same replica is started again by both: one new attempt, and both are told.
    relaunch = (*name, "relaunch", "expert-1-0", "--yes")
    ended = at_once(lambda: tau2tui.run(*relaunch, status=None), lambda: bob.run(*relaunch))
    assert [each.returncode for each in ended] == [0, 0], [each.stderr for each in ended]
    assert rows(tau2tui)["expert-1-0"]["attempt"] == 2

    # One stops what the other starts again: one of them is obeyed, and the other one is told so.
    ended = at_once(
        lambda: tau2tui.run(*name, "stop", "expert-1-1", "--yes", status=None),
        lambda: bob.run(*name, "relaunch", "expert-1-1", "--yes"),
    )
    stopped, restarted = (each.returncode == 0 for each in ended)
    after = rows(tau2tui)["expert-1-1"]["standing"]
    assert after == ("stopped" if stopped and not restarted else after)
    assert restarted or "overruled" in ended[1].stderr or "stopped" in ended[1].stderr, ended[1].stderr
    assert stopped or "overruled" in ended[0].stderr, ended[0].stderr

    # The same job is submitted again by both: it is there once, whoever was first.
    job = (*name, "relaunch", "--job", "oss_eval_node2", "--yes")
    ended = at_once(lambda: tau2tui.run(*job, status=None), lambda: bob.run(*job))
    assert sorted(each.returncode for each in ended) == [0, 5], [each.stderr for each in ended]
    assert "another operator has changed the jobs of run shared" in "".join(each.stderr for each in ended)
    assert queued(idle_lab) == fleet
    submitted = [
        entry["did"] for entry in activity(run_directory(idle_lab, tau2tui)) if entry["did"].startswith("sbatch")
    ]
    assert len(submitted) == 4, "three of the launch, and one"

    # Both stop everything: nothing is left, and who came second is not told of a failure.
    ended = at_once(lambda: tau2tui.run(*name, "stop", "--yes", status=None), lambda: bob.run(*name, "stop", "--yes"))
    assert {each.returncode for each in ended} <= {0, 5} and 0 in {each.returncode for each in ended}, [
        each.stderr for each in ended
    ]
    wait_for(lambda: queued(idle_lab) == [], "the end of all jobs")
    answered = list((run_directory(idle_lab, tau2tui) / "control").glob("*.json"))
    requests = {path.name for path in answered if not path.name.endswith(".result.json")}
    results = {path.name.replace(".result.json", ".json") for path in answered if path.name.endswith(".result.json")}
    assert requests == results, "no request is without an answer"


def activity(run: Path) -> list[dict[str, str]]:
    """What all programs did, in the order of the beginnings."""
    lines = [json.loads(line) for file in (run / "activity").iterdir() for line in file.read_text().splitlines()]
    return sorted(lines, key=lambda line: float(line["at"]))
