"""How quick the screens are, in real terminals: first paint, keys, filters, idle cost, memory, and faults."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import tomlkit

from tau2tui.config import Config
from tau2tui.core import layout
from tau2tui.core.placement import plan_jobs
from tau2tui.tui.widgets import job_table
from tests.bench import screens_tables
from tests.bench.large_fleet import fleet_config, large_cluster
from tests.bench.pseudo_terminal import PseudoTerminal
from tests.bench.status import show_queue, write_run

PAINT_HEAD = """\
| first useful paint | median s | to a trivial Textual app | CPU s of the program | to the trivial app's |
|---|--:|--:|--:|--:|"""
KEY_HEAD = """\
| key to paint | p50 ms | p95 ms | longest | CPU ms for each |
|---|--:|--:|--:|--:|"""
IDLE_HEAD = """\
| idle, {seconds:.0f} s | % of a core | of what it runs | kB/s to the terminal |
|---|--:|--:|--:|"""
MEMORY_HEAD = """\
| refreshes of {replicas} replicas, one every {every_ms:.0f} ms | MiB |
|--:|--:|"""
STALL_HEAD = """\
| longest stall of the event loop | ms | of CPU time, ms |
|---|--:|--:|"""
_BETWEEN_S = (0.05, 0.15)
Took = tuple[float, float]
"""ms that passed, and ms of CPU time of the event loop in them."""


def measure(directory: Path, keys: int, idle_s: float, refreshes: int, only: Sequence[str]) -> Iterator[str]:
    """The lines of the result; `only` names the parts that are wanted, all if it is empty."""
    parts: dict[str, Callable[[], Iterator[str]]] = {
        "paint": lambda: first_paint(directory, rounds=5),
        "keys": lambda: keys_to_paint(directory, keys),
        "tables": lambda: _tables(5000),
        "idle": lambda: idle(directory, idle_s),
        "memory": lambda: memory(directory, refreshes),
        "stalls": lambda: stalls(directory),
    }
    for name, part in parts.items():
        if not only or name in only:
            yield from part()
            yield ""


def environment(directory: Path) -> dict[str, str]:
    """A terminal of 256 colours, and a home in which nothing was kept."""
    own = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR", "TMUX")}
    home = tempfile.mkdtemp(dir=directory)
    state = {"XDG_STATE_HOME": f"{home}/state", "XDG_CACHE_HOME": f"{home}/cache"}
    return {**own, **state, "TERM": "xterm-256color", "PATH": f"{directory}:{own['PATH']}"}


def program(*words: str) -> list[str]:
    return [sys.executable, "-m", "tests.bench.screens_app", *words]


# first paint


def recorded_run(directory: Path, replicas: int) -> Path:
    """A run directory with all replicas ready, a queue with their jobs, and the configuration file; its path."""
    config = fleet_config(replicas)
    poll = config.poll.model_copy(update={"run_s": 1.0})
    config = config.model_copy(
        update={"run": config.run.model_copy(update={"directory": str(directory / "runs")}), "poll": poll}
    )
    run = directory / "runs/one"
    write_run(config, run)
    show_queue(directory, config, "one")
    file = directory / "config.toml"
    experts = {name: expert.model_dump(exclude_defaults=True, mode="json") for name, expert in config.experts.items()}
    settings = {
        "run": {"directory": str(directory / "runs")},
        "poll": {"run_s": 1.0},
        "cluster": {"python": sys.executable},
        "experts": experts,
    }
    file.write_text(tomlkit.dumps(settings))
    return file


def first_paint(directory: Path, rounds: int) -> Iterator[str]:
    """Of the real command, until the fleet's states are on the screen; the programs take turns."""
    yield PAINT_HEAD
    runs = {}
    for replicas in (24, 512):
        place = directory / f"paint-{replicas}"
        place.mkdir()
        runs[replicas] = (recorded_run(place, replicas), environment(place))
    command = [str(Path(sys.executable).with_name("tau2tui")), "--read-only", "-c"]
    tried: dict[str, tuple[list[str], dict[str, str], bytes]] = {
        "a trivial Textual app": (program("trivial"), environment(directory), b"ready"),
        **{
            f"`tau2tui`, {what}{replicas} replicas": ([*command, str(file)], environ, pattern)
            for replicas, (file, environ) in runs.items()
            for what, pattern in (("frame and keys, ", b"Quit"), ("states of ", f"{replicas}.{{0,40}}ready".encode()))
        },
    }
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in tried}
    for _ in range(rounds + 1):  # the first fills caches
        for name, (argv, environ, pattern) in tried.items():
            with PseudoTerminal(argv, environ) as terminal:
                took[name].append((terminal.wait_for(pattern) - terminal.began, terminal.cpu_s))
    medians = {name: [statistics.median(each) for each in zip(*runs[1:], strict=True)] for name, runs in took.items()}
    least_s, least_cpu_s = medians["a trivial Textual app"]
    for name, (wall_s, cpu_s) in medians.items():
        yield f"| {name} | {wall_s:.2f} | {wall_s / least_s:.2f}× | {cpu_s:.2f} | {cpu_s / least_cpu_s:.2f}× |"


# keys


def keys_to_paint(directory: Path, presses: int) -> Iterator[str]:
    """Down the table, at random moments, while 512 replicas are looked at every second."""
    yield KEY_HEAD
    replicas = [placed.name for job in plan_jobs(fleet_config(512)) for placed in job.replicas]
    jobs = [job.name for job in large_cluster(512, 5000).jobs]
    programs = {
        "Fleet, 512 replicas, every tenth changes": (["memory"], b"", replicas),
        "Fleet, 512 replicas, all change": (["memory", "--change", "all"], b"", replicas),
        "DataTable, 512 replicas, every tenth changes": (["data-table"], b"", replicas),
        "Jobs, 5000 rows": (["memory", "--jobs", "5000"], b"2", jobs),
    }
    for name, (words, first, keys) in programs.items():
        with PseudoTerminal(program(*words), environment(directory)) as terminal:
            terminal.wait_for(f"{replicas[0]}".encode())
            terminal.read_for(2.0)
            if first:
                terminal.press(first)
                terminal.wait_for(keys[1].encode())
                terminal.read_for(1.0)
            yield _row(name, [_key_ms(terminal, keys[at], strip=not first) for at in range(1, presses + 1)])
            if first:
                yield from _typing(terminal)


def _key_ms(terminal: PseudoTerminal, key: str, *, strip: bool) -> Took:
    """From `j` until the row of that key is drawn; where there is a strip below the table, until that names it."""
    return _typed_ms(
        terminal, b"j", re.escape(key.encode()) + (rb"(?:\x1b\[[0-9;]*m|\s)+\xe2\x97\x8f" if strip else rb"[^0-9]")
    )


def _typing(terminal: PseudoTerminal) -> Iterator[str]:
    """A filter typed, taken away, and sorted by: each until the table says so."""
    took: dict[str, list[Took]] = {}
    for _ in job_table.COLUMNS:  # one sort by each: after the last the rows are as they came
        terminal.press(b"/")
        terminal.wait_for(b"words")
        terminal.read_for(0.3)
        for letter, count in ((b"7", b"of 5000 match 7"), (b"3", b"73"), (b"1", b"731")):
            took.setdefault("filter 5000 rows, a letter", []).append(_typed_ms(terminal, letter, count))
        took.setdefault("filter taken away by Esc", []).append(_typed_ms(terminal, b"\x1b", b"node"))
        took.setdefault("sort 5000 rows", []).append(_typed_ms(terminal, b"o", b"rising"))
    for name, values in took.items():
        yield _row(name, values)


def _typed_ms(terminal: PseudoTerminal, key: bytes, pattern: bytes) -> Took:
    terminal.read_for(random.uniform(*_BETWEEN_S))
    terminal.press(key)
    began, cpu_ms = time.perf_counter(), terminal.loop_cpu_ms
    return 1000 * (terminal.wait_for(pattern) - began), terminal.loop_cpu_ms - cpu_ms


def _row(name: str, took: Sequence[Took]) -> str:
    ordered = sorted(wall_ms for wall_ms, _ in took)
    p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    p50, cpu_ms = statistics.median(ordered), statistics.median(cpu for _, cpu in took)
    return f"| {name} ({len(ordered)}) | {p50:.0f} | {p95:.0f} | {ordered[-1]:.0f} | {cpu_ms:.0f} |"


def _tables(rows: int) -> Iterator[str]:
    yield screens_tables.HEAD.format(rows=rows)
    yield from asyncio.run(screens_tables.compare(rows))


# idle, memory


def idle(directory: Path, seconds: float) -> Iterator[str]:
    """CPU time of the process with 24 replicas that are looked at every second, nobody typing.

    "On a recorded run" is the real command with the real shell, and beside it what its looks cost in other processes.
    """
    yield IDLE_HEAD.format(seconds=seconds)
    place = directory / "idle"
    place.mkdir()
    command = [str(Path(sys.executable).with_name("tau2tui")), "--read-only", "-c", str(recorded_run(place, 24))]
    tried = {
        "ours, nothing changes": program("memory", "--replicas", "24", "--change", "none"),
        "ours, every tenth replica changes each second": program("memory", "--replicas", "24"),
        "ours, all change each second": program("memory", "--replicas", "24", "--change", "all"),
        "`tau2tui` on a recorded run": command,
        "DataTable, every tenth replica changes each second": program("data-table", "--replicas", "24"),
        "ours, 512 replicas, every tenth changes": program("memory", "--replicas", "512"),
        "DataTable, 512 replicas, every tenth changes": program("data-table", "--replicas", "512"),
        "a trivial Textual app": program("trivial"),
    }
    for name, argv in tried.items():
        with PseudoTerminal(argv, environment(place)) as terminal:
            terminal.wait_for(b"ready")
            terminal.read_for(3.0)
            terminal.drawn = b""
            before_s, others_before_s = terminal.cpu_s, terminal.others_cpu_s
            terminal.read_for(seconds)
            own, others = terminal.cpu_s - before_s, terminal.others_cpu_s - others_before_s
            kb_s = len(terminal.drawn) / seconds / 1000
            yield f"| {name} | {100 * own / seconds:.1f} | {100 * others / seconds:.1f} | {kb_s:.1f} |"


def memory(directory: Path, refreshes: int) -> Iterator[str]:
    """Resident memory after so many looks at 512 replicas, made as fast as they come."""
    report, every_s = directory / "memory", 0.02
    yield MEMORY_HEAD.format(replicas=512, every_ms=1000 * every_s)
    words = ("memory", "--every-s", str(every_s), "--report", str(report), "--looks", str(report) + ".looks")
    looks = Path(str(report) + ".looks")
    with PseudoTerminal(program(*words), environment(directory)) as terminal:
        terminal.wait_for(b"ready")
        for wanted in (20, *(refreshes * part // 6 for part in range(1, 7))):
            while _last_number(looks) < wanted:
                terminal.read_for(0.2)
                terminal.drawn = b""
            yield f"| {_last_number(looks)} | {terminal.memory_mib:.0f} |"


def _last_number(file: Path) -> int:
    try:
        return int(file.read_text() or 0)
    except (OSError, ValueError):
        return 0


# faults


def stalls(directory: Path) -> Iterator[str]:
    """The real wiring on a recorded run of 512 replicas, while things go wrong around it."""
    yield STALL_HEAD
    place = directory / "stalls"
    place.mkdir()
    file, report = recorded_run(place, 512), place / "report"
    config = fleet_config(512)
    run = place / "runs/one"
    agent = run / layout.NODE_AGENT
    program_text, squeue = agent.read_text(), (place / "squeue").read_text()
    with PseudoTerminal(program("run", "--config", str(file), "--report", str(report)), environment(place)) as terminal:
        terminal.wait_for(b"512.{0,40}ready")
        terminal.read_for(3.0)
        yield _stall("nothing happens, 15 s", terminal, report, 15.0, lambda: None)
        yield _stall("squeue hangs", terminal, report, 20.0, lambda: _hang(place / "squeue"))
        (place / "squeue").write_text(squeue)
        yield _stall("500 replicas fail at once", terminal, report, 8.0, lambda: _fail(config, run, 500))
        yield _stall("200 sizes in four seconds", terminal, report, 6.0, lambda: _pull(terminal))
        yield _stall(
            "the run directory hangs", terminal, report, 12.0,
            lambda: agent.write_text("import time\ntime.sleep(3600)\n"),
        )  # fmt: skip
        agent.write_text(program_text)
        yield _stall("a key held down, 30 a second", terminal, report, 6.0, lambda: _hold(terminal))


def _stall(name: str, terminal: PseudoTerminal, report: Path, seconds: float, act: Callable[[], object]) -> str:
    since = time.monotonic()
    act()
    terminal.read_for(max(0.0, since + seconds - time.monotonic()))
    terminal.drawn = b""
    lines = [line.split() for line in report.read_text().splitlines()]
    seen = [(float(line[1]), float(line[2])) for line in lines if len(line) == 3 and float(line[0]) >= since]
    longest_ms, cpu_ms = (max(values) for values in zip(*seen, strict=True))
    return f"| {name} | {longest_ms:.0f} | {cpu_ms:.0f} |"


def _hang(squeue: Path) -> None:
    squeue.write_text("#!/bin/sh\nexec sleep 3600\n")


def _fail(config: Config, run: Path, count: int) -> None:
    names = [placed.name for job in plan_jobs(config) for placed in job.replicas]
    for name in names[:count]:
        file = run / layout.replica_file(name)
        seen = json.loads(file.read_text())
        file.write_text(json.dumps({**seen, "phase": "failed", "why": "exited", "last_error": "CUDA out of memory"}))


def _pull(terminal: PseudoTerminal) -> None:
    for number in range(200):
        terminal.resize((80 + number % 120, 24 + number % 30))
        terminal.read_for(0.02)
    terminal.resize((120, 36))


def _hold(terminal: PseudoTerminal) -> None:
    for number in range(120):
        terminal.press(b"j" if number < 60 else b"k")
        terminal.read_for(1 / 30)
