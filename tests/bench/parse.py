"""Parsing and aggregating a log, against the seed's way, interleaved, with every figure checked against the truth."""

from __future__ import annotations

import math
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tau2tui.analysis.cache_places import IN_RUN
from tau2tui.analysis.samples import Samples
from tau2tui.analysis.scan import read_logs
from tau2tui.analysis.wanted import Wanted
from tests.analysis.made_logs import HARMONY, PREFIX, LogMaker
from tests.bench import seed_way
from tests.processes import cpu_s, processes_below

HEAD = """\
| log | keys | events | seed's way s | ours s | ratio | in CPU time | ours | memory added |
|--:|---|--:|--:|--:|--:|--:|--:|--:|"""
COMMAND_HEAD = """\
| log | keys | the seed's way as a command s | ours as a command s | ratio | peak memory: seed's, ours |
|--:|---|--:|--:|--:|--:|"""

CACHE_HEAD = """\
| log | read s | read and kept s | opened again s | ratio | kept |
|--:|--:|--:|--:|--:|--:|"""

_BLOCK_LINES = 46_000
"""About 8 MB: a sample repeats one block, so that its truth is known whatever its size."""
_JSON = '{"role": "tool", "content": "{\\"order_id\\": \\"#W5744371\\", \\"items\\": [1, 2, 3]}"}'
_METRICS = {"duration": "duration_ms", "prefill": "prefill_ms", "decode": "decode_ms"}

_ROOT = Path(__file__).parents[2]
_SAYS_ITS_MEMORY = """
import atexit, resource, sys
def say():  # when the readers have ended, of which there is one on two cores
    with open("/proc/self/status") as status:
        own = sum(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    print(own + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
atexit.register(say)
"""
_PROGRAMS = {
    "seed": "from pathlib import Path; from tests.bench.seed_way import summarize; summarize(Path(sys.argv[1]))",
    "ours": "from tau2tui.cli import main; sys.argv[1:] = ['latency', sys.argv[1], '--no-cache', '--json']; main()",
}

Statistics = Mapping[str, Any]
Summary = Mapping[str, Mapping[str, Statistics]]
"""Series → `duration`, `prefill`, `decode` → statistics."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A log on disk and the truth about it."""

    path: Path
    shuffled: bool
    events: int
    truth: Summary

    @property
    def mib(self) -> float:
        return self.path.stat().st_size / 2**20

    @property
    def keys(self) -> str:
        return "in any order" if self.shuffled else "as written"


def make_sample(path: Path, mib: float, *, shuffled: bool = False) -> Sample:
    """A domain's log of that size: 30 % profile lines and 170 bytes for a line, as in those of the seed's runs."""
    maker, chance = LogMaker(seed=7, shuffled=shuffled), random.Random(7)
    block: list[bytes] = []
    events: list[dict[str, Any]] = []
    for _ in range(_BLOCK_LINES):
        if chance.random() >= 0.304:
            block.append(_noise(chance))
            continue
        line, event = maker.profile_line("retail")
        events.append(event)
        if (kind := chance.random()) < 0.35:
            line = PREFIX + line
        elif kind < 0.55:
            line = f"{PREFIX}\x1b[36m{line}\x1b[0m"
        elif kind < 0.551:  # the torn half of another one in front
            line = maker.profile_line("retail")[0][:40] + line
        block.append(line.encode())
    data = b"\n".join(block) + b"\n"
    times = max(1, round(mib * 2**20 / len(data)))
    with path.open("wb") as file:
        for _ in range(times):
            file.write(data)
    return Sample(path, shuffled, len(events) * times, _truth(events, times))


def _noise(chance: random.Random) -> bytes:
    kind = chance.random()
    if kind < 0.001:
        return b"caf\xe9 \xff\xfe" + b"\0" * 20
    if kind < 0.004:
        return f"[ERROR] 2025-12-30 17:33:01.500 task=17 thread=1 {HARMONY}".encode()
    if kind < 0.005:
        return b"[2025-12-30 17:32:15] retail still running (pid=4711); no output for 30s..."
    if kind < 0.006:
        return b"\x1b[31m[OVERALL_ETA] done=3/278 elapsed=12:30 eta=01:10:00\x1b[0m"
    if kind < 0.02:
        return b"  3%|#   | 1/30\r  6%|##  | 2/30\r"
    if kind < 0.1:
        return b'Traceback (most recent call last):\n  File "tau2/run.py", line 214, in run_task\nKeyError: 3'
    if kind < 0.5:
        return b'INFO:     10.0.0.7:39886 - "POST /v1/chat/completions HTTP/1.1" 200 OK'
    return (_JSON * chance.randrange(1, 6)).encode()


def _truth(events: Iterable[Mapping[str, Any]], times: int) -> Summary:
    """The statistics of the values that were written, by NumPy."""
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for event in events:
        name = event.get("model") or event.get("function") or event["from_role"]
        for metric, column in _METRICS.items():
            if event.get(column) is not None:
                values[f"{event['type']}:{name}"][metric].append(event[column])
    return {
        series: {metric: seed_way.statistics(list(np.tile(list_, times))) for metric, list_ in metrics.items()}
        for series, metrics in values.items()
    }


def ours(path: Path) -> dict[str, dict[str, Statistics]]:
    """Parse, and thirteen exact percentiles of every series and duration, by way of `tau2tui latency`."""
    samples = {metric: Samples(column) for metric, column in _METRICS.items()}
    columns = {name for each in samples.values() for name in each.columns}
    steps, steps_ms = 0, 0.0
    wanted = Wanted(tuple(sorted(columns)), rare=False, once=True)  # as `tau2tui latency` asks
    for part in read_logs((path,), wanted=wanted).event_parts(wanted.columns):
        for each in samples.values():
            each.add(part)
        took = part.filter(pl.col("type") == "step_complete")["duration_ms"]
        steps, steps_ms = steps + took.len(), steps_ms + float(took.to_numpy().sum())
    found: dict[str, dict[str, Statistics]] = defaultdict(dict)
    for metric, each in samples.items():
        for row in each.table().iter_rows(named=True):
            found[_as_the_seed_calls_it(row["series"])][metric] = row
    found["step_complete:agent"] = {"duration": {"count": steps, "mean": steps_ms / steps if steps else None}}
    return found


def _as_the_seed_calls_it(series: str) -> str:
    kind, _, name = series.partition(":")
    if kind == "orchestrator":
        return f"llm_call:{name or '/ckpt/nvidia/Nemotron-Orchestrator-8B'}"
    return {"expert": "expert_call:", "tool": "tool_call:"}.get(kind, f"{kind}:") + name.removeprefix("retail:")


def check(name: str, found: Summary, truth: Summary) -> None:
    """Every figure that `found` shares with the truth is equal to nine digits, and no series is missing."""
    for series, metrics in truth.items():
        for metric, expected in metrics.items():
            got = found[series][metric]
            for key in set(expected) & set(got):
                equal = math.isclose(got[key], expected[key], rel_tol=1e-9) if key not in ("counts", "edges") else True
                assert equal, f"{name}: {series} {metric} {key}: {got[key]}, truly {expected[key]}"
            assert got["count"] == expected["count"]


def compare(sample: Sample, rounds: int) -> str:
    """A row for the table of results: medians of interleaved rounds, and their ratio."""
    took: dict[str, list[float]] = {"seed": [], "ours": []}
    cpu: dict[str, list[float]] = {"seed": [], "ours": []}
    ways: dict[str, Callable[[Path], Summary]] = {
        "seed": lambda path: seed_way.summarize(path, any_order=sample.shuffled),
        "ours": ours,
    }
    for _ in range(rounds):
        for name, way in ways.items():
            began, cpu_began = time.perf_counter(), _cpu_s()
            found = way(sample.path)
            took[name].append(time.perf_counter() - began)
            cpu[name].append(_cpu_s() - cpu_began)
            check(name, found, sample.truth)
    seed_s, ours_s = (statistics.median(took[name]) for name in ways)
    seed_cpu_s, ours_cpu_s = (statistics.median(cpu[name]) for name in ways)
    return (
        f"| {sample.mib:.0f} MiB | {sample.keys} | {sample.events} | {seed_s:.2f} | {ours_s:.2f} | "
        f"**{seed_s / ours_s:.1f}×** | {seed_cpu_s / ours_cpu_s:.1f}× | {sample.mib / ours_s:.0f} MiB/s | "
        f"{_memory_added(sample.path):.0f} MiB |"
    )


def _cpu_s() -> float:
    """What this process and its readers, which stay from one round to the next, have used."""
    _, *readers = processes_below(os.getpid())
    return time.process_time() + sum(map(cpu_s, readers))


def reopen(sample: Sample, directory: Path, rounds: int) -> str:
    """A log that was read before against one that was not, in one process; the frames are the same."""
    took: dict[str, list[float]] = {"afresh": [], "kept": [], "again": []}
    run = directory / "run"
    path = run / "logs" / sample.path.name
    path.parent.mkdir(parents=True, exist_ok=True)
    (run / "run.toml").touch()
    path.unlink(missing_ok=True)
    path.hardlink_to(sample.path)
    for _ in range(rounds):
        shutil.rmtree(run / IN_RUN, ignore_errors=True)
        events = []
        for name, times in took.items():
            began = time.perf_counter()
            events.append(read_logs((path,), use_cache=name != "afresh").events)
            times.append(time.perf_counter() - began)
        assert events[0].equals(events[2])
    afresh_s, kept_s, again_s = (statistics.median(times) for times in took.values())
    kept_mib = sum(file.stat().st_size for file in (run / IN_RUN).iterdir()) / 2**20
    path.unlink()
    return (
        f"| {sample.mib:.0f} MiB | {afresh_s:.2f} | {kept_s:.2f} | {again_s:.3f} | **{afresh_s / again_s:.0f}×** | "
        f"{kept_mib:.0f} MiB |"
    )


def compare_commands(sample: Sample, rounds: int) -> str:
    """Whole processes with their imports: `tau2tui latency --no-cache --json`, and the seed's way."""
    took: dict[str, list[float]] = {"seed": [], "ours": []}
    peak_mib = dict.fromkeys(took, 0.0)
    for _ in range(rounds):
        for name in took:
            began = time.perf_counter()
            peak_mib[name] = _run(name, sample.path)
            took[name].append(time.perf_counter() - began)
    seed_s, ours_s = (statistics.median(took[name]) for name in took)
    return (
        f"| {sample.mib:.0f} MiB | {sample.keys} | {seed_s:.2f} | {ours_s:.2f} | **{seed_s / ours_s:.1f}×** | "
        f"{peak_mib['seed']:.0f}, {peak_mib['ours']:.0f} MiB |"
    )


def _run(name: str, path: Path) -> float:
    """Run one way in a process of its own, where no configuration lies; its peak memory in MiB, as it says itself, and
    that of its reader.

    What the system tells of an ended process counts the memory of the parent that it was forked from.
    """
    done = subprocess.run(
        [sys.executable, "-c", _SAYS_ITS_MEMORY + _PROGRAMS[name], str(path.absolute())],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        cwd=path.parent, env={**os.environ, "PYTHONPATH": str(_ROOT)},
    )  # fmt: skip
    return float(done.stderr.split()[-1]) / 1024


def _memory_added(path: Path) -> float:
    """Peak memory of the command above what it needs for a log of one line, in MiB."""
    short = path.with_suffix(".short")
    with path.open("rb") as file:
        short.write_bytes(next(line for line in file if b"type=llm_call" in line))
    return _run("ours", path) - _run("ours", short)
