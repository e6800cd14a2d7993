"""Side by side with what operators use today: `lazyslurm`, on the same queue of 5000 jobs from a `squeue` of ours."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tau2tui.remote.slurm import COMMENT
from tests.bench.pseudo_terminal import PseudoTerminal
from tests.bench.screens import environment, recorded_run

HEAD = """\
| 5000 jobs | first job on the screen, s | key to paint p50, p95 ms | CPU % while idle | MiB |
|---|--:|--:|--:|--:|"""
_JOBS, _FIRST_ID, _KEYS, _IDLE_S = 5000, 600_000, 40, 10.0


def compare(directory: Path, lazyslurm: Path) -> Iterator[str]:
    """A row for each program; `lazyslurm` is its executable, in an environment of its own."""
    yield HEAD
    ours = recorded_run(directory, 24)
    _write_squeue(directory)
    programs = {
        "ours, Jobs screen": ([str(Path(sys.executable).with_name("tau2tui")), "-c", str(ours)], b"2"),
        "lazyslurm": ([str(lazyslurm)], b""),
    }
    for name, (command, first) in programs.items():
        with PseudoTerminal(command, {**environment(directory), "USER": "ada"}) as terminal:
            if first:
                terminal.wait_for(b"ready")
                terminal.press(first)
            shown_s = terminal.wait_for(rb"sweep-\d+") - terminal.began
            terminal.read_for(3.0)
            took_ms = sorted(_key_ms(terminal) for _ in range(_KEYS))
            before = terminal.cpu_s
            terminal.read_for(_IDLE_S)
            idle = 100 * (terminal.cpu_s - before) / _IDLE_S
            keys = f"{statistics.median(took_ms):.0f}, {took_ms[int(0.95 * _KEYS)]:.0f}"
            yield f"| {name} | {shown_s:.2f} | {keys} | {idle:.1f} | {terminal.memory_mib:.0f} |"


def _key_ms(terminal: PseudoTerminal) -> float:
    """Until the first job's name is drawn again: both draw the row that the cursor comes to."""
    terminal.read_for(0.3)
    terminal.press(b"\x1b[B")  # the arrow: `j` moves no cursor in lazyslurm
    began = time.perf_counter()
    return 1000 * (terminal.wait_for(rb"sweep-\d+") - began)


def _write_squeue(directory: Path) -> None:
    """One that answers both programs in their own formats, and a `sacct` that knows nothing."""
    run = (directory / "queue").read_text()
    ids = range(_FIRST_ID, _FIRST_ID + _JOBS)
    fields = ("PENDING", "1-00:00:00", "", COMMENT + "one", "Priority")
    (directory / "queue").write_text(run + "".join("\x1f".join((str(n), *fields, f"sweep-{n}")) + "\n" for n in ids))
    theirs = "".join(f"{n}|sweep-{n}|0:00|gpu|PENDING|1-00:00:00|1|8|64G|gpu:8|/home/ada\n" for n in ids)
    (directory / "theirs").write_text(theirs)
    squeue = directory / "squeue"
    squeue.write_text(
        f'#!/bin/sh\ncase "$*" in *"%i|%j|%M"*) exec cat {directory}/theirs;; esac\nexec cat {directory}/queue\n'
    )
    squeue.chmod(0o755)
    for name in ("sacct", "sinfo", "scontrol"):
        other = directory / name
        other.write_text("#!/bin/sh\nexit 0\n")
        other.chmod(0o755)
