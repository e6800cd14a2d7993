"""Evaluations under storms of faults, against one that is left alone: rewards and conversations must be the same."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.kills import Findings, compare
from tests.evaluation.practice import PATIENCE_S, PracticeRun, practice_run

WANTED = {"domains": ("mock", "retail"), "num_tasks": 3, "schedule": "global", "max_concurrency": 6}
TRIALS = 3
"""Repetitions of each task; as many more are asked for until the storm is over."""

Storm = Callable[[PracticeRun, random.Random, threading.Event], dict[str, int]]
"""Does harm until the event is set, mends it, and counts what it did."""


@dataclass
class Weathered:
    """What came of an evaluation in a storm."""

    harm: dict[str, int]
    findings: Findings
    retries: int
    errors: dict[str, int] = field(default_factory=dict)

    @property
    def figures(self) -> dict[str, int]:
        """For the catalogue."""
        units = {"units": self.findings.units, "results that differ": len(self.findings.differing)}
        twice = {"not exactly once": len(self.findings.not_once) + len(self.findings.counted_twice)}
        return {**self.harm, "retries": self.retries, **units, **twice}


def weather(directory: Path, storm: Storm, seconds: float, seed: int, *, trials: int = TRIALS) -> Weathered:
    """Evaluate in a storm for so long, and then the same units undisturbed; say what differs."""
    with practice_run(directory / "stormy", speed=100) as stormy:
        over = threading.Event()
        harm: dict[str, int] = {}
        chance = random.Random(seed)
        worker = threading.Thread(target=lambda: harm.update(storm(stormy, chance, over)))
        stormy.ask_for(**WANTED, trials=trials, max_attempts=50)
        driver = stormy.start_driver()
        stormy.wait_for(lambda progress: bool(progress.running), "the evaluation runs")
        worker.start()
        ends_at = time.monotonic() + seconds
        try:
            while time.monotonic() < ends_at:
                if driver.poll() is not None:
                    trials += TRIALS
                    stormy.ask_for(**WANTED, trials=trials, max_attempts=50)
                    driver = stormy.start_driver()
                time.sleep(0.2)
        finally:
            over.set()
            worker.join()
        patience_s = PATIENCE_S + 2 * seconds
        if driver.wait(patience_s) != 0:
            assert stormy.evaluate(patience_s=patience_s) == 0, stormy.output  # what ended in an error is run again
        progress = stormy.progress()
        assert progress is not None
        with practice_run(directory / "calm", speed=1000) as calm:
            calm.ask_for(**{**WANTED, "max_concurrency": 16}, trials=trials)
            assert calm.evaluate(patience_s=patience_s) == 0, calm.output
            findings = compare(stormy, calm, Findings())
        return Weathered(harm, findings, progress.retries, dict(progress.errors))


def kills_and_refusals(run: PracticeRun, chance: random.Random, over: threading.Event) -> dict[str, int]:
    """Every replica dies at random moments and comes back some time later; the user simulator's, which is the only one
    of its kind, also refuses most of what it is asked with 429 while it lives."""
    attempts = dict.fromkeys(run.ports, 1)
    kills = dict.fromkeys(run.ports, 0)
    run.fault("player-0", "429", rate=0.7)
    while not over.is_set():
        name = min(kills, key=lambda each: kills[each] + chance.random() * 2)
        run.kill_replica(name)
        kills[name] += 1
        if chance.random() < 0.5:  # else the agent has not seen it yet when it is back
            run.write_replica(name, "failed", attempts[name])
        over.wait(chance.uniform(0.1, 1.5))
        attempts[name] += 1
        run.start_replica(name, attempts[name])
        if name == "player-0" and chance.random() < 0.7:
            run.fault(name, "429", rate=0.7)
        over.wait(chance.uniform(0.1, 1.0))
    run.fault("player-0", "none")
    return {
        "kills": sum(kills.values()),
        "replicas killed": sum(count > 0 for count in kills.values()),
        "outages of the user simulator": kills["player-0"],
    }


@contextmanager
def stepping(step: Callable[[float], None], every_s: float) -> Iterator[list[float]]:
    """Set a clock two hours forwards and backwards in turn; the steps that were made."""
    over = threading.Event()
    made: list[float] = []

    def work() -> None:
        while not over.wait(every_s):
            made.append(7200.0 if len(made) % 2 == 0 else -7200.0)
            step(made[-1])

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield made
    finally:
        over.set()
        thread.join()
