"""A run directory whose replicas are practice servers, and the evaluation driver as a real process on it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import tomlkit

from tau2tui.core.layout import EVAL_REQUEST, EVAL_STATE, EVAL_UNITS, RUN_CONFIG, eval_request_file, result_of
from tau2tui.core.model import EvalProgress
from tau2tui.core.wire import progress_from
from tau2tui.rehearsal import server
from tau2tui.rehearsal.script import build_script
from tests.evaluation.prepared import Driver, PreparedDriver

PATIENCE_S = 300.0
SCRIPT = "script.json"


@dataclass(frozen=True)
class Player:
    """An expert of the configuration, as its servers are told to play it."""

    role: str
    latency_of: str
    replicas: int = 1
    thinking: bool = True


PLAYERS = {
    "orchestrator": Player("agent", "orchestrator", replicas=2),
    "expert-1": Player("expert", "expert-1"),
    "expert-2": Player("expert", "expert-2", thinking=False),
    "player": Player("user", "expert-3"),
}


@dataclass
class PracticeRun:
    """One run: its fleet, its driver, and what can be seen of them."""

    directory: Path
    speed: float
    servers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    drivers: list[Driver] = field(default_factory=list)

    def start_replica(self, name: str, attempt: int = 1) -> None:
        """Start a server and, once it answers, say so in its file."""
        expert = name.rpartition("-")[0]
        player = PLAYERS[expert]
        with (self.directory / f"{name}.{attempt}.log").open("wb") as log:
            self.servers[name] = subprocess.Popen(
                [
                    sys.executable, str(server.__file__), f"org/{expert}", "--host", "127.0.0.1",
                    "--port", str(self.ports[name]), "--role", player.role, "--latency-of", player.latency_of,
                    "--speed", str(self.speed), "--start-s", "0", "--script", str(self.directory / SCRIPT),
                ],
                stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        wait_until(lambda: self._answers(name), f"{name} answers")
        self.write_replica(name, "ready", attempt)

    def kill_replica(self, name: str) -> None:
        """Kill a server; what its file says is left as it was."""
        self.servers[name].kill()
        self.servers[name].wait()

    def write_replica(self, name: str, phase: str, attempt: int = 1) -> None:
        """What the node agent would write."""
        expert = name.rpartition("-")[0]
        data = {
            "name": name, "expert": expert, "model": f"org/{expert}", "job": "node1", "job_id": "1", "phase": phase,
            "address": "127.0.0.1", "port": self.ports[name], "attempt": attempt, "heartbeat_at": time.time(),
        }  # fmt: skip
        file = self.directory / "replicas" / f"{name}.json"
        temporary = file.with_suffix(".tmp")
        temporary.write_text(json.dumps(data))
        temporary.replace(file)

    def fault(self, name: str, fault: str, rate: float = 1.0) -> None:
        """Ask a server for a fault, in that share of the requests."""
        url = f"http://127.0.0.1:{self.ports[name]}/rehearsal/fault"
        httpx.post(url, json={"fault": fault, "rate": rate}, timeout=10).raise_for_status()

    def ask_for(self, **evaluation: Any) -> None:
        """Write what is to be evaluated."""
        (self.directory / EVAL_REQUEST).write_text(json.dumps(evaluation))

    def start_driver(self, environment: Mapping[str, str] | None = None, *, program: list[str] | None = None) -> Driver:
        """Start an evaluation; `program`: from the beginning, by this command line."""
        output = self.directory / "eval/driver.out"
        surroundings = {**os.environ, **(environment or {})}
        driver: Driver
        if program is None:
            driver = PreparedDriver(self.directory, output, surroundings)
        else:
            with output.open("ab") as file:
                driver = subprocess.Popen(program, stdout=file, stderr=subprocess.STDOUT, env=surroundings)
        self.drivers.append(driver)
        return driver

    def evaluate(self, environment: Mapping[str, str] | None = None, *, patience_s: float = PATIENCE_S) -> int:
        """Run an evaluation to its end; its exit code."""
        return self.start_driver(environment).wait(patience_s)

    def request(self, verb: str, value: object = None) -> dict[str, Any]:
        """Ask the driver for something and wait for the answer."""
        name = eval_request_file(time.time_ns(), verb)
        temporary = self.directory / f"{name}.tmp"
        temporary.write_text(json.dumps({"verb": verb, "value": value}))
        temporary.replace(self.directory / name)
        result = self.directory / result_of(name)
        wait_until(result.exists, f"{verb} is answered")
        return dict(json.loads(result.read_text()))

    def progress(self) -> EvalProgress | None:
        try:
            return progress_from(json.loads((self.directory / EVAL_STATE).read_bytes()))
        except FileNotFoundError:
            return None

    def wait_for(self, reached: Callable[[EvalProgress], bool], what: str) -> EvalProgress:
        """Wait until the state shows something."""
        wait_until(lambda: (seen := self.progress()) is not None and reached(seen), what)
        progress = self.progress()
        assert progress is not None
        return progress

    def units(self) -> dict[tuple[str, str, int], dict[str, Any]]:
        """The unit files, by domain, task and trial."""
        found = (json.loads(file.read_text()) for file in (self.directory / EVAL_UNITS).rglob("*.json"))
        return {(unit["domain"], unit["task_id"], unit["trial"]): unit for unit in found}

    def log(self, name: str = "fullrun.log") -> str:
        return (self.directory / "logs" / name).read_text()

    @property
    def output(self) -> str:
        return (self.directory / "eval/driver.out").read_text()

    def _answers(self, name: str) -> bool:
        assert self.servers[name].poll() is None
        try:
            return httpx.get(f"http://127.0.0.1:{self.ports[name]}/health", timeout=5).is_success
        except httpx.TransportError:
            return False


@contextmanager
def practice_run(directory: Path, *, speed: float = 1000.0) -> Iterator[PracticeRun]:
    """A run with a fleet that is ready; everything ends with the block."""
    run = PracticeRun(directory, speed)
    for part in ("replicas", "eval/control"):
        (directory / part).mkdir(parents=True)
    (directory / SCRIPT).write_text(json.dumps(build_script(["mock", "retail", "telecom", "airline"])))
    ports = iter(free_ports(sum(player.replicas for player in PLAYERS.values())))
    experts: dict[str, dict[str, Any]] = {}
    for expert, player in PLAYERS.items():
        run.ports |= {f"{expert}-{number}": next(ports) for number in range(player.replicas)}
        gpus = range(len(run.ports) - player.replicas, len(run.ports))
        experts[expert] = {
            "model": f"org/{expert}", "role": player.role, "node": 1, "gpus": list(gpus), "port": 1900 + gpus[0],
            "replicas": player.replicas, "thinking": player.thinking, "price_in": 0.5, "price_out": 2.0,
        }  # fmt: skip
    (directory / RUN_CONFIG).write_text(
        tomlkit.dumps({"serve": {"engine": "rehearsal"}, "experts": experts, "evaluation": {"evaluator_processes": 0}})
    )
    try:
        for name in run.ports:
            run.start_replica(name)
        yield run
    finally:
        for driver in run.drivers:
            driver.kill()
            driver.wait()
        for server_process in run.servers.values():
            server_process.kill()
            server_process.wait()


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on at this moment."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def wait_until(happened: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
    """Look again and again until it happened, or fail and say what did not."""
    deadline = time.monotonic() + patience_s
    while not happened():
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(0.05)
