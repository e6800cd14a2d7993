"""What it costs to look at a large fleet: commands and milliseconds of one status, squeue calls a minute."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path, PurePosixPath

from tau2tui.config import Config
from tau2tui.core import layout
from tau2tui.core.model import Phase, Replica
from tau2tui.core.placement import plan_jobs
from tau2tui.core.verdict import Standing
from tau2tui.ops import Ops
from tau2tui.remote.render import launch_files
from tau2tui.remote.rundir import RunDirectory
from tau2tui.remote.shell import Completed, LocalShell
from tau2tui.remote.slurm import COMMENT, Slurm

NODES, REPLICAS_A_NODE = 64, 8
LOOKS = 10


class CountingShell(LocalShell):
    """This machine, with a count of the commands that were run on it."""

    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()

    async def run(self, argv: Sequence[str], timeout_s: float = 30.0, stdin: bytes = b"") -> Completed:
        self.counted[argv[0]] += 1
        return await super().run(argv, timeout_s, stdin)


def large_config(runs: Path) -> Config:
    """An expert with eight replicas on each of 64 nodes, one of them the agent's."""
    expert = {"model": "org/Expert", "tensor_parallel": 1, "stagger_s": 0, "gpus": list(range(8)), "replicas": 8}
    fleet = {f"expert-{node}": {**expert, "node": node, "port": 1900} for node in range(1, NODES + 1)}
    fleet["expert-1"]["role"] = "agent"
    return Config.model_validate({"run": {"directory": str(runs)}, "experts": fleet})


def write_run(config: Config, run: Path) -> None:
    """A run directory as it is while all replicas are ready."""
    for name in layout.RunLayout().directories:
        (run / name).mkdir(parents=True)
    for file in launch_files(config, PurePosixPath(run), datetime.now().astimezone(), None):
        (run / file.path).write_text(file.text)
    for number, job in enumerate(plan_jobs(config), 1):
        for placed in job.replicas:
            replica = Replica(
                placed.name, placed.expert, "org/Expert", job.name, str(number), Phase.READY, placed.port,
                node=f"gpu{number:02d}", address="127.0.0.1", heartbeat_at=time.time() + 3600,
            )  # fmt: skip
            (run / layout.replica_file(placed.name)).write_text(json.dumps(asdict(replica)))


def show_queue(directory: Path, config: Config, run_id: str, word: str = "RUNNING") -> None:
    """Let `squeue` print all jobs in a state."""
    lines = [
        "\x1f".join((str(number), word, "1-00:00:00", f"gpu{number:02d}", COMMENT + run_id, "None", job.name))
        for number, job in enumerate(plan_jobs(config), 1)
    ]
    (directory / "queue").write_text("\n".join(lines) + "\n")
    squeue = directory / "squeue"
    squeue.write_text(f"#!/bin/sh\nexec cat {directory / 'queue'}\n")
    squeue.chmod(0o755)


async def measure() -> None:
    """Print the cost of a look at the whole fleet, and how often squeue is asked by a screen that stays open."""
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place)
        config = large_config(directory / "runs")
        run = directory / "runs/one"
        write_run(config, run)
        show_queue(directory, config, "one")
        os.environ["PATH"] = f"{directory}:{os.environ['PATH']}"
        shell = CountingShell()
        ops = Ops(config, shell, Slurm(), RunDirectory(shell, PurePosixPath(run), sys.executable), launched=True)

        took_ms = []
        for _ in range(LOOKS):
            began = time.perf_counter()
            await ops.look()
            standings = Counter(verdict.standing for verdict in ops.verdicts())
            took_ms.append(1000 * (time.perf_counter() - began))
            assert standings == {Standing.READY: NODES * REPLICAS_A_NODE}, standings
        each = {command: count / LOOKS for command, count in shell.counted.items()}
        took = f"{statistics.median(took_ms):.0f} ms, commands {each}"
        print(f"status of {NODES} nodes, {NODES * REPLICAS_A_NODE} replicas: {took}", flush=True)
        for change, what in ((True, "jobs change all the time"), (False, "nothing changes")):
            rate = await squeues_a_minute(ops, shell, directory, change=change)
            print(f"squeue calls a minute, {what}: {rate:.1f}", flush=True)


async def squeues_a_minute(ops: Ops, shell: CountingShell, directory: Path, *, change: bool) -> float:
    """Let the screen's pollers run for some minutes."""
    minutes = 2.0 if change else 4.0
    before = shell.counted["squeue"]
    observing = asyncio.create_task(ops.observe())
    until = time.monotonic() + 60 * minutes
    while time.monotonic() < until:
        await asyncio.sleep(1)
        if change:
            show_queue(directory, ops.config, "one", f"STATE{time.monotonic_ns()}")
    observing.cancel()
    with suppress(asyncio.CancelledError):
        await observing
    return (shell.counted["squeue"] - before) / minutes
