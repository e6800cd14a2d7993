"""Parsing and aggregating a log, against the seed's way, interleaved, with the counts checked against the truth."""

from __future__ import annotations

import random
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tau2tui.analysis.measures import add_series, latency_table
from tau2tui.analysis.scan import read_logs
from tests.analysis.made_logs import LogMaker
from tests.bench import seed_way

HEAD = """\
| log | events | seed's way s | ours s | ratio | speed | peak memory |
|--:|--:|--:|--:|--:|--:|--:|"""

_NOISE = (
    'INFO:     10.0.0.7:39886 - "POST /v1/chat/completions HTTP/1.1" 200 OK',
    "Traceback (most recent call last):",
    '  File "tau2/run.py", line 214, in run_task',
    "[2025-12-30 17:32:15] retail still running (pid=4711); no output for 30s...",
    '{"role": "tool", "content": "{\\"order_id\\": \\"#W5744371\\", \\"items\\": [1, 2, 3]}"}' * 3,
)


@dataclass(frozen=True, slots=True)
class Sample:
    """A log on disk and how many events it holds."""

    path: Path
    events: int

    @property
    def mib(self) -> float:
        return self.path.stat().st_size / 2**20


def make_sample(path: Path, mib: float) -> Sample:
    """A domain's log of that size: about a third profile lines, as in the seed's, and no copies."""
    maker, chance = LogMaker(seed=7), random.Random(7)
    block, in_block = [], 0
    for _ in range(20_000):
        if chance.random() < 0.3:
            block.append(maker.profile_line("retail")[0])
            in_block += 1
        else:
            block.append(chance.choice(_NOISE))
    text = ("\n".join(block) + "\n").encode()
    times = max(1, round(mib * 2**20 / len(text)))
    with path.open("wb") as file:
        for _ in range(times):
            file.write(text)
    return Sample(path, in_block * times)


def ours(path: Path) -> int:
    """Parse into frames, and thirteen exact percentiles of every series."""
    events = read_logs((path,)).events
    latency_table(add_series(events))
    return events.height


def compare(sample: Sample, rounds: int) -> str:
    """A row for the table of results: medians of interleaved rounds, and their ratio."""
    took: dict[str, list[float]] = {"seed": [], "ours": []}
    ways: dict[str, Callable[[Path], int]] = {"seed": seed_way.summarize, "ours": ours}
    for _ in range(rounds):
        for name, way in ways.items():
            began = time.perf_counter()
            events = way(sample.path)
            took[name].append(time.perf_counter() - began)
            assert events == sample.events, f"{name} found {events} events, there are {sample.events}"
    seed_s, ours_s = (statistics.median(took[name]) for name in ways)
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return (
        f"| {sample.mib:.0f} MiB | {sample.events} | {seed_s:.2f} | {ours_s:.2f} | "
        f"**{seed_s / ours_s:.1f}×** | {sample.mib / ours_s:.0f} MiB/s | {peak_mib:.0f} MiB |"
    )
