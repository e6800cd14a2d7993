"""A bench that is ended leaves nothing behind: no program that runs on, no directory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.pseudo_terminal import PseudoTerminal
from tests.bench.screens import environment, program
from tests.processes import TICKS_S, stat_fields, wait_for

PATIENCE_S = 60.0


def children(pid: int) -> list[int]:
    """Those that run: one that has ended counts no more."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                state, parent, *_ = stat_fields(entry.name)
            except OSError:
                continue
            if int(parent) == pid and state != "Z":
                found.append(int(entry.name))
    return found


def has_worked(pid: int) -> bool:
    """Whether a process has used a fifth of a second of CPU time."""
    try:
        return int(stat_fields(pid)[11]) >= TICKS_S / 5
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_bench_of_the_screens_that_is_ended_ends_its_app(number: signal.Signals, tmp_path: Path) -> None:
    own = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "tests.bench", "screens", "--only", "idle"]
    with subprocess.Popen(command, env=own, stdout=subprocess.DEVNULL) as bench:
        # As soon as there is an app the bench may still be starting it, and know nothing that it could end.
        wait_for(lambda: any(map(has_worked, children(bench.pid))), "the app", PATIENCE_S)
        apps = children(bench.pid)
        bench.send_signal(number)
        assert bench.wait(PATIENCE_S) == 128 + number
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in apps), "the end of the app", PATIENCE_S)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["trivial", "data-table"])
def test_what_is_compared_ends_with_its_terminal_as_ours_does(name: str, tmp_path: Path) -> None:
    """Where the bench had no time to end it."""
    with PseudoTerminal(
        program(name, *(["--replicas", "8"] if name == "data-table" else [])), environment(tmp_path)
    ) as terminal:
        terminal.wait_for(b"ready")
        terminal.go_away()
        assert terminal.wait() == 128 + signal.SIGHUP
