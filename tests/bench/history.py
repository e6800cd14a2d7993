"""What a day of samples costs: bytes, the time to make windows of them and to look at one moment, and memory."""

from __future__ import annotations

import json
import multiprocessing
import random
import resource
import shutil
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from pathlib import Path

from tau2tui.analysis.sampled_windows import read_state, read_windows
from tau2tui.core.metrics.names import Quantity
from tau2tui.core.metrics.scrape import parse
from tau2tui.node import agent
from tests.core.metrics.texts import text

HEAD = """\
| load | replicas | hours | rows | bytes a row | MB a day | windows s | peak MiB | at first | moment ms | hour ms |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"""
REPLICAS = 32
MADE = 4
"""Replicas whose samples are made; the others are copies of theirs."""
EVERY_S = 10


class Busy:
    """The counters of a server that ends some requests in each ten seconds, with the buckets of a real vLLM 0.32."""

    def __init__(self, seed: int, requests: float) -> None:
        self._random, self._requests = random.Random(seed), requests
        scrape = parse(text("vllm-0.32.0-recorded"), 0.0)
        histograms = {name: scrape.histogram(name) for name in (Quantity.TTFT, Quantity.E2E)}
        self._bounds = {name: histogram.bounds for name, histogram in histograms.items() if histogram}
        self._counts = {name: [0.0] * len(bounds) for name, bounds in self._bounds.items()}
        self._totals = dict.fromkeys(
            (*agent.ROW[5:11], "queue_sum", "queue_count", "itl_sum", "itl_count", "http"), 0.0
        )

    def step(self) -> agent.Series:
        """Ten seconds later."""
        chance = self._random
        ended = sum(chance.random() < self._requests / 100 for _ in range(100))
        prompt, made = chance.randint(3000, 9000) * ended, chance.randint(100, 400) * ended
        grown = {
            "generation_tokens": made, "prompt_tokens": prompt, "prefix_queries": prompt, "finished": ended,
            "prefix_hits": int(prompt * chance.uniform(0.3, 0.8)), "preemptions": chance.random() < 0.02,
            "queue_sum": ended * chance.expovariate(5), "queue_count": ended, "http": ended,
            "itl_sum": made * chance.uniform(0.01, 0.03), "itl_count": made,
        }  # fmt: skip
        for key, value in grown.items():
            self._totals[key] += value
        for name, scale in ((Quantity.TTFT, -1.0), (Quantity.E2E, 1.5)):
            for _ in range(ended):
                took = chance.lognormvariate(scale, 0.8)
                place = next(place for place, bound in enumerate(self._bounds[name]) if took <= bound)
                self._counts[name][place] += 1
        series = {key: {"": value} for key, value in self._totals.items() if key != "http"}
        series["http"] = {'handler="/v1/chat/completions",status="2xx"': self._totals["http"]}
        for name, counts in self._counts.items():
            cumulative = accumulate(counts)
            series[f"{name}_bucket"] = {
                f'le="{bound}"': count for bound, count in zip(self._bounds[name], cumulative, strict=True)
            }
        gauges = {"running": chance.randint(0, 20), "waiting": chance.choice([0, 0, 0, 3]), "kv_cache": chance.random()}
        return series | {key: {"": float(value)} for key, value in gauges.items()}


def write_day(directory: Path, requests: float, hours: float) -> int:
    """Samples of 32 replicas as their agents would write them; returns the number of rows."""
    directory.mkdir(parents=True)
    rows = int(hours * 3600 / EVERY_S)
    for seed in range(MADE):
        server, meter = Busy(seed, requests), agent.Meter({})
        with (directory / f"expert-{seed}-0.jsonl").open("w") as file:
            for row in range(rows):
                meter.take(1.8e9 + EVERY_S * row, server.step())
                file.write(json.dumps(meter.row(1), separators=(",", ":")) + "\n")
        for copy in range(1, REPLICAS // MADE):
            shutil.copy(directory / f"expert-{seed}-0.jsonl", directory / f"expert-{seed}-{copy}.jsonl")
    return rows * REPLICAS


def measure(directory: Path, load: str, requests: float, hours: float) -> str:
    """A row of results."""
    rows = write_day(directory / load, requests, hours)
    size = sum(file.stat().st_size for file in (directory / load).iterdir())
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
        costs = fresh.submit(read_costs, directory / load, hours).result()
    assert costs.windows >= REPLICAS * hours * 60
    day_mb = size / hours * 24 / 1e6
    return (
        f"| {load} | {REPLICAS} | {hours:g} | {rows} | {size / rows:.0f} | **{day_mb:.0f}** | {costs.windows_s:.1f} | "
        f"**{costs.peak_mib:.0f}** | {costs.before_mib:.0f} | {costs.moment_ms:.0f} | {costs.hour_ms:.0f} |"
    )


@dataclass(frozen=True, slots=True)
class Costs:
    """What reading took, in a process that does nothing else."""

    windows: int
    windows_s: float
    peak_mib: float
    before_mib: float
    moment_ms: float
    hour_ms: float


def read_costs(directory: Path, hours: float) -> Costs:
    """Windows of all that is there, then one moment in the middle, then the hour before it of one replica."""
    before_mib = peak_mib()
    began = time.perf_counter()
    table = read_windows(directory, timedelta(minutes=1))
    windows_s = time.perf_counter() - began
    most_mib = peak_mib()
    middle = datetime.fromtimestamp(1.8e9 + hours * 1800)
    began = time.perf_counter()
    assert read_state(directory, middle).height == REPLICAS
    moment_ms = 1000 * (time.perf_counter() - began)
    began = time.perf_counter()
    since = middle - timedelta(hours=min(1.0, hours / 2))
    assert not read_windows(
        directory, timedelta(minutes=1), replicas=("expert-0-0",), since=since, until=middle
    ).is_empty()
    hour_ms = 1000 * (time.perf_counter() - began)
    return Costs(table.height, windows_s, most_mib, before_mib, moment_ms, hour_ms)


def peak_mib() -> float:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
