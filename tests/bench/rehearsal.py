"""All tasks through the practice fleet of the shipped configuration, without faults and with them: same rewards?"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tau2tui.config import Config, load
from tau2tui.core.command import Launch, StartEval
from tau2tui.core.layout import EVAL_UNITS, REPLICAS
from tau2tui.core.model import EvalProgress
from tau2tui.demo import rehearsal_run
from tau2tui.rehearsal.fleet import rehearsed

HEAD = """\
| run | units | reward 1.0 | each exactly once | failed attempts | servers killed | tasks/min |
|---|--:|--:|---|---|--:|--:|"""
SHIPPED = Path(__file__).parents[2] / "config.toml"
MOST_EVALUATIONS = 4
"""A unit that used up its attempts is run again by the next evaluation, as an operator would do it."""

Key = tuple[str, str, int]
"""Domain, task, trial."""


@dataclass(frozen=True, slots=True)
class Faults:
    """What is done to the fleet."""

    rate: float = 0.0
    """Share of the completions that fail, by several kinds of errors, 0–1."""
    kill_every_s: float = 0.0
    """Seconds between the kills of two servers, which their node agent brings back; 0: none."""


@dataclass(slots=True)
class Result:
    """What came of one run."""

    rewards: dict[Key, float | None] = field(default_factory=dict)
    markers: Counter[tuple[str, ...]] = field(default_factory=Counter)
    """How often each unit was reported as evaluated."""
    simulations: Counter[tuple[str, ...]] = field(default_factory=Counter)
    """How often each unit is in tau2's results files."""
    errors: dict[str, int] = field(default_factory=dict)
    killed: int = 0
    elapsed_s: float = 0.0

    @property
    def exceptions(self) -> list[Key]:
        """The units without full reward."""
        return sorted(key for key, reward in self.rewards.items() if reward is None or reward < 1)

    @property
    def exactly_once(self) -> bool:
        """Every unit was evaluated and is in the results, none of them twice."""
        keys = {(domain, task, str(trial)) for domain, task, trial in self.rewards}
        return self.markers == Counter(keys) == self.simulations

    def row(self, name: str) -> str:
        """A row of the table of results."""
        errors = ", ".join(f"{count} {kind}" for kind, count in sorted(self.errors.items())) or "none"
        solved = len(self.rewards) - len(self.exceptions)
        rate = 60 * len(self.rewards) / self.elapsed_s
        once = "yes" if self.exactly_once else "**no**"
        return f"| {name} | {len(self.rewards)} | {solved} | {once} | {errors} | {self.killed} | {rate:.0f} |"


def practice_config(
    directory: Path, faults: Faults, *, num_tasks: int | None, max_concurrency: int, speed: float
) -> Config:
    """The shipped fleet for practice, whose servers fail as asked and come back by themselves."""
    config = rehearsed(load(SHIPPED, {}), directory, num_tasks=num_tasks, max_concurrency=max_concurrency)
    data = config.model_dump()
    data["serve"]["restart"] = {"attempts": 1000, "backoff_s": 0.5, "backoff_max_s": 0.5, "healthy_s": 1}
    data["rehearsal"].update(speed=speed, start_s=0.5)
    data["evaluation"]["smoke"] = "never"
    if faults.rate:
        for expert in data["experts"].values():
            expert["args"] = ["--fault", f"mixed@{faults.rate}"]
    return Config.model_validate(data)


async def rehearse(config: Config, faults: Faults, say: Callable[[str], None]) -> Result:
    """Launch, evaluate until nothing is left to do, and stop; what came of it."""
    result = Result()

    def tell(progress: EvalProgress) -> None:
        say(f"{progress.state}: {progress.finished}/{progress.total}, errors {progress.errors}")

    async with rehearsal_run(config, lambda _: None, say) as ops:
        run_dir = Path(ops.run.path)
        await ops.look()
        await ops.perform(ops.plan(Launch()), lambda _: None)
        began = time.monotonic()
        killing = asyncio.create_task(_kill(run_dir, faults.kill_every_s, result))
        try:
            for _ in range(MOST_EVALUATIONS):
                await ops.look()
                await ops.perform(ops.plan(StartEval(config.evaluation)), lambda _: None)
                last = await ops.follow_eval(tell)
                if not any(domain.errors for domain in last.domains):
                    break
        finally:
            killing.cancel()
            with suppress(asyncio.CancelledError):
                await killing
        result.elapsed_s = time.monotonic() - began
        result.errors = last.errors
        _read(run_dir, result)
    return result


async def _kill(run_dir: Path, every_s: float, result: Result) -> None:
    """Kill one server after the other, each kind in turn."""
    number = 0
    while every_s:
        await asyncio.sleep(every_s)
        ready = [replica for replica in _replicas(run_dir) if replica["phase"] == "ready" and replica["pid"]]
        kinds = sorted({replica["expert"] for replica in ready})
        if kinds:
            kind = kinds[number % len(kinds)]
            victims = [replica for replica in ready if replica["expert"] == kind]
            with suppress(ProcessLookupError):
                os.kill(victims[number % len(victims)]["pid"], signal.SIGKILL)
                result.killed += 1
            number += 1


def _replicas(run_dir: Path) -> Iterator[dict[str, Any]]:
    for file in sorted((run_dir / REPLICAS).glob("*.json")):
        with suppress(ValueError, OSError):
            yield json.loads(file.read_bytes())


def _read(run_dir: Path, result: Result) -> None:
    """Rewards, markers and results as they stand in the run directory."""
    for file in (run_dir / EVAL_UNITS).rglob("*.json"):
        unit = json.loads(file.read_bytes())
        result.rewards[unit["domain"], unit["task_id"], unit["trial"]] = unit["reward"]
    for line in (run_dir / "logs/fullrun.log").read_text().splitlines():
        if line.startswith("[TAU2_TASK_COMPLETE] ") and " status=ok " in line:
            head, _, rest = line.partition(" task_id=")
            domain, trial = (pair.partition("=")[2] for pair in head.split()[1:])
            result.markers[domain, rest.partition(" status=ok ")[0], trial] += 1
    for file in (run_dir / "outputs").rglob("results.json"):
        for simulation in json.loads(file.read_bytes())["simulations"]:
            result.simulations[file.parent.name, simulation["task_id"], str(simulation["trial"])] += 1


def compare(directory: Path, faults: Faults, **how: Any) -> Iterator[str]:
    """Rows of the table: without faults, with them, and what differs."""
    plain = _one(directory / "plain", Faults(), **how)
    yield plain.row("without faults")
    yield from (f"not solved without faults: {key}" for key in plain.exceptions)
    shaken = _one(directory / "faults", faults, **how)
    yield shaken.row(f"{faults.rate:.0%} errors, a server killed every {faults.kill_every_s:g} s")
    yield from (
        f"differs: {key}: {reward} without faults, {shaken.rewards.get(key)} with them"
        for key, reward in plain.rewards.items()
        if shaken.rewards.get(key) != reward
    )


def _one(directory: Path, faults: Faults, **how: Any) -> Result:
    directory.mkdir(parents=True)
    config = practice_config(directory, faults, **how)
    return asyncio.run(rehearse(config, faults, lambda words: print(words, flush=True)))
