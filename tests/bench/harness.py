"""What the harness costs: our driver against tau2's own runner on the same servers, and against the calls alone."""

from __future__ import annotations

import http.client
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit

import tau2tui.evaluation  # noqa: F401 - keeps the import of tau2 quiet and off the network
from tau2tui.rehearsal.script import build_script
from tests.bench.process_tree import ProcessTree
from tests.evaluation.practice import free_ports, wait_until

DOMAIN = "retail"
PATIENCE_S = 600.0

THROUGHPUT_HEAD = """\
| at once | simulations | per min: tau2's runner | ours | ratio | CPU s for one: tau2's, ours | MiB: tau2's, ours |
|--:|--:|--:|--:|--:|--:|--:|"""
STEP_HEAD = """\
| one at a time, servers that answer at once | ms for a step | over the calls alone |
|---|--:|--:|"""


@dataclass(frozen=True, slots=True)
class Took:
    """One run of a harness."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    units: int
    messages: int
    step_ms: float


@dataclass(frozen=True, slots=True)
class Servers:
    """The two servers of a bench."""

    agent_port: int
    user_port: int
    records: tuple[Path, Path]


def write_script(path: Path) -> None:
    """What the servers know of the tasks."""
    from tau2.run import get_tasks

    tasks = get_tasks(DOMAIN, task_split_name="base")
    scenarios = {str(task.user_scenario).strip(): f"{DOMAIN}/{task.id}" for task in tasks}
    assert len(scenarios) == len(tasks)
    path.write_text(json.dumps({"tasks": build_script([DOMAIN]), "scenarios": scenarios}))


@contextmanager
def servers(directory: Path, latency_s: float, *, record: bool = False) -> Iterator[Servers]:
    """A server for the agent and one for the user."""
    ports = free_ports(2)
    records = tuple(directory / f"requests-{port}.jsonl" for port in ports)
    processes = [
        subprocess.Popen(
            [
                sys.executable, "-m", "tests.bench.scripted_server", str(port), str(directory / "script.json"),
                "--latency-s", str(latency_s), *(("--record", str(file)) if record else ()),
            ]
        )
        for port, file in zip(ports, records, strict=True)
    ]  # fmt: skip
    try:
        for port in ports:
            wait_until(lambda port=port: _answers(port), "the server answers")  # type: ignore[misc]
        yield Servers(ports[0], ports[1], (records[0], records[1]))
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def ours(directory: Path, fleet: Servers, tasks: int, trials: int, at_once: int) -> Took:
    """Our driver, as `tau2tui eval` starts it."""
    for part in ("replicas", "eval"):
        (directory / part).mkdir(parents=True)
    experts = {}
    for number, (name, role, port) in enumerate(
        (("agent", "agent", fleet.agent_port), ("user", "user", fleet.user_port))
    ):
        experts[name] = {
            "model": name, "role": role, "node": 1, "gpus": [number], "port": 1900 + number, "max_concurrency": 512,
        }  # fmt: skip
        replica = {
            "name": f"{name}-0", "expert": name, "model": name, "job": "node1", "job_id": "1", "phase": "ready",
            "address": "127.0.0.1", "port": port, "attempt": 1, "heartbeat_at": time.time(),
        }  # fmt: skip
        (directory / f"replicas/{name}-0.json").write_text(json.dumps(replica))
    (directory / "run.toml").write_text(tomlkit.dumps({"experts": experts}))
    wanted = {"domains": [DOMAIN], "num_tasks": tasks, "trials": trials, "max_concurrency": at_once, "mode": "solo"}
    (directory / "eval/request.json").write_text(json.dumps(wanted))
    with (directory / "driver.out").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tau2tui.evaluation", str(directory)], stdout=output, stderr=subprocess.STDOUT
        )
    tree = ProcessTree(process.pid)
    wait_until(lambda: '"running": [{' in _text(directory / "eval/state.json"), "the first simulation runs")
    tree.reset()
    assert process.wait(PATIENCE_S) == 0, _text(directory / "driver.out")
    tree.stop()
    units = [json.loads(file.read_text()) for file in (directory / "eval/units").rglob("*.json")]
    assert len(units) == tasks * trials
    assert {unit["reward"] for unit in units} == {1.0}
    wall_s = max(unit["finished_at"] for unit in units) - min(unit["started_at"] for unit in units)
    messages = sum(len(unit["simulation"]["messages"]) for unit in units)
    return Took(wall_s, tree.cpu_s, tree.peak_mib, len(units), messages, _steady_ms(units))


def _steady_ms(units: list[dict[str, Any]]) -> float:
    """Milliseconds for a step once everything has started: the processes that evaluate load tau2 meanwhile."""
    units = sorted(units, key=lambda unit: float(unit["finished_at"]))
    begin = len(units) // 4
    took_s = units[-1]["finished_at"] - units[begin - 1]["finished_at"]
    return float(1000 * took_s / sum(len(unit["simulation"]["messages"]) for unit in units[begin:]))


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def tau2s(directory: Path, fleet: Servers, tasks: int, trials: int, at_once: int) -> Took:
    """tau2's own runner."""
    directory.mkdir()
    urls = [f"http://127.0.0.1:{port}/v1" for port in (fleet.agent_port, fleet.user_port)]
    numbers = [str(number) for number in (tasks, trials, at_once)]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.tau2_way", *urls, DOMAIN, *numbers, str(directory / "results.json")],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    tree = ProcessTree(process.pid)
    assert process.stdout is not None
    while line := process.stdout.readline():
        if line == "started\n":
            tree.reset()
        if line.startswith('{"took_s"'):
            result: dict[str, Any] = json.loads(line)
    assert process.wait(PATIENCE_S) == 0
    tree.stop()
    assert result["rewards"] == [1.0] * (tasks * trials), result["rewards"]
    took_s, messages = result["took_s"], result["messages"]
    return Took(took_s, tree.cpu_s, tree.peak_mib, len(result["rewards"]), messages, 1000 * took_s / messages)


def throughput(directory: Path, at_once: int, latency_s: float) -> str:
    """A row of results: both ways on the same simulations, one after the other, with the counts checked."""
    units = max(4, at_once if at_once > 32 else 2 * at_once)
    trials = 1 if units <= 64 else 2
    tasks = units // trials
    with servers(directory, latency_s) as fleet:
        theirs = tau2s(directory / f"tau2-{at_once}", fleet, tasks, trials, at_once)
        mine = ours(directory / f"ours-{at_once}", fleet, tasks, trials, at_once)
    assert (theirs.units, theirs.messages) == (mine.units, mine.messages)
    rates = [60 * took.units / took.wall_s for took in (theirs, mine)]
    cpu = ", ".join(f"{took.cpu_s / took.units:.2f}" for took in (theirs, mine))
    memory = ", ".join(f"{took.peak_mib:.0f}" for took in (theirs, mine))
    return (
        f"| {at_once} | {mine.units} | {rates[0]:.0f} | {rates[1]:.0f} | **{rates[1] / rates[0]:.1f}×** | {cpu} | "
        f"{memory} |"
    )


def cost_of_a_step(directory: Path, tasks: int) -> Iterator[str]:
    """Rows of results: how long a step takes in each harness, and how long its share of the calls takes alone."""
    with servers(directory, 0.0, record=True) as fleet:
        mine = ours(directory / "ours-step", fleet, tasks, 1, 1)
        bodies = [file.read_bytes().splitlines() for file in fleet.records]
        theirs = tau2s(directory / "tau2-step", fleet, tasks, 1, 1)
        rounds = [_replay(fleet, bodies) for _ in range(3)]
    assert theirs.messages == mine.messages
    calls_ms = 1000 * statistics.median(rounds) / mine.messages
    for name, step_ms in (("the calls alone", calls_ms), ("ours", mine.step_ms), ("tau2's runner", theirs.step_ms)):
        yield f"| {name} | {step_ms:.1f} | {step_ms - calls_ms:.1f} |"


def _replay(fleet: Servers, bodies: list[list[bytes]]) -> float:
    """Seconds to make the recorded calls again over one connection to each server."""
    began = time.perf_counter()
    for port, requests in zip((fleet.agent_port, fleet.user_port), bodies, strict=True):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        for body in requests:
            connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
            assert connection.getresponse().read()
        connection.close()
    return time.perf_counter() - began
