"""Throughput through the router while one of four replicas is killed and brought back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tau2tui.config import EvaluationConfig
from tau2tui.core.layout import RunLayout
from tau2tui.core.model import EvalProgress, EvalState
from tau2tui.evaluation.calls import Exchange, UnitCaller
from tau2tui.evaluation.client import ChatClient
from tau2tui.evaluation.faults import CallError
from tau2tui.evaluation.journal import Journal
from tau2tui.evaluation.participants import Participant
from tau2tui.evaluation.progress import Tally
from tau2tui.evaluation.routing import FleetReader, Router
from tau2tui.evaluation.unitlog import UnitLog
from tau2tui.evaluation.units import Unit
from tau2tui.rehearsal import server
from tests.processes import free_port, wait_for

HEAD = """\
| phase | replicas | calls/s | of the first phase | calls of conversations that failed |
|---|--:|--:|--:|--:|"""
REPLICAS, AT_ONCE_EACH = 4, 4
EXPERT = Participant("expert-1", "expert", "m")
SEEN_AFTER_S = 2.0
"""What a node agent needs to notice a death: until then the file says that the replica is ready."""


@dataclass
class Fleet:
    """Four practice servers and the files that a node agent would keep of them."""

    run_dir: Path
    speed: float
    servers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)

    def start(self, name: str, attempt: int = 1) -> None:
        port = self.ports.setdefault(name, free_port())
        with (self.run_dir / f"{name}.{attempt}.log").open("wb") as log:
            self.servers[name] = subprocess.Popen(
                [
                    sys.executable, str(server.__file__), "m", "--host", "127.0.0.1", "--port", str(port),
                    "--latency-of", "expert-3", "--speed", str(self.speed), "--start-s", "0",
                    "--max-num-seqs", str(AT_ONCE_EACH),
                ],
                stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        wait_for(lambda: _answers(port), f"{name} answers")
        self.write(name, "ready", attempt)

    def write(self, name: str, phase: str, attempt: int = 1) -> None:
        data = {
            "name": name, "expert": "expert-1", "model": "m", "job": "node1", "job_id": "1", "phase": phase,
            "address": "127.0.0.1", "port": self.ports[name], "attempt": attempt, "heartbeat_at": time.time(),
        }  # fmt: skip
        file = self.run_dir / "replicas" / f"{name}.json"
        temporary = file.with_suffix(".tmp")
        temporary.write_text(json.dumps(data))
        temporary.replace(file)


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health", timeout=5).is_success
    except httpx.TransportError:
        return False


@contextmanager
def fleet_of_four(run_dir: Path, speed: float) -> Iterator[Fleet]:
    fleet = Fleet(run_dir, speed)
    (run_dir / "replicas").mkdir(parents=True)
    try:
        for number in range(REPLICAS):
            fleet.start(f"expert-1-{number}")
        yield fleet
    finally:
        for process in fleet.servers.values():
            process.kill()
            process.wait()


@dataclass
class Load:
    """Conversations that go on and on, more than the whole fleet can answer at once."""

    run_dir: Path
    stop: threading.Event = field(default_factory=threading.Event)
    answered: list[tuple[float, str]] = field(default_factory=list)
    """When, and by which replica."""
    lost: list[float] = field(default_factory=list)

    def run(self) -> list[threading.Thread]:
        router = Router({"expert-1": AT_ONCE_EACH})
        FleetReader(self.run_dir, router, self.stop).start()
        evaluation = EvaluationConfig()
        client = ChatClient("EMPTY", stream=True, abandoned=threading.Event())
        exchange = Exchange(evaluation, router, client, client, False, threading.Event())
        journal = Journal(self.run_dir, RunLayout(), ("mock",))
        router.listen(journal.say)
        now = time.time()
        tally = Tally({"mock": 1}, EvalProgress(EvalState.STARTING, now, now))
        units = [Unit("mock", f"t{number}", 0, 1) for number in range(2 * REPLICAS * AT_ONCE_EACH)]
        threads = [
            threading.Thread(
                target=self._talk, args=(UnitCaller(exchange, UnitLog(unit, journal, tally)),), daemon=True
            )
            for unit in units
        ]
        for thread in threads:
            thread.start()
        return threads

    def _talk(self, call: UnitCaller) -> None:
        while not self.stop.is_set():
            try:
                answer = call(EXPERT, [{"role": "user", "content": "Are you there?"}], [])
                self.answered.append((time.monotonic(), answer.replica))
            except CallError:
                self.lost.append(time.monotonic())


@dataclass(frozen=True, slots=True)
class Phase:
    """What was measured while the fleet was in one state."""

    name: str
    replicas: int
    calls_s: float
    by_replica: dict[str, int]
    lost: int


def measure(run_dir: Path, seconds: float, speed: float) -> list[Phase]:
    """Before, while one of four is dead, and after: each `seconds` long, the moments of change left out."""
    phases: list[Phase] = []
    with fleet_of_four(run_dir, speed) as fleet:
        load = Load(run_dir)
        threads = load.run()

        def phase(name: str, replicas: int) -> None:
            began = time.monotonic()
            time.sleep(seconds)
            ended = time.monotonic()
            hits = [replica for at, replica in list(load.answered) if began <= at < ended]
            counts = {replica: hits.count(replica) for replica in fleet.ports}
            lost = sum(began <= at < ended for at in list(load.lost))
            phases.append(Phase(name, replicas, len(hits) / (ended - began), counts, lost))

        time.sleep(1)
        phase("before", REPLICAS)
        fleet.servers["expert-1-0"].kill()
        fleet.servers["expert-1-0"].wait()
        time.sleep(SEEN_AFTER_S)
        fleet.write("expert-1-0", "failed")
        phase("one is dead", REPLICAS - 1)
        fleet.start("expert-1-0", attempt=2)
        time.sleep(SEEN_AFTER_S)
        phase("it is back", REPLICAS)
        load.stop.set()
        for thread in threads:
            thread.join()
        phases.append(Phase("all", 0, 0.0, {}, len(load.lost)))
    return phases


def rows(phases: list[Phase]) -> str:
    """The table of results."""
    *phases, everything = phases
    before = phases[0].calls_s
    lines = [
        f"| {phase.name} | {phase.replicas} | {phase.calls_s:.1f} | {phase.calls_s / before:.0%} | {phase.lost} |"
        for phase in phases
    ]
    lines.append(f"| the moments of change included | | | | {everything.lost} |")
    shares = "; ".join(f"{phase.name}: {phase.by_replica}" for phase in phases)
    return "\n".join([*lines, f"calls by replica: {shares}; {os.cpu_count()} cores"])
