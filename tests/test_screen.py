"""The app as an operator meets it: in a real tmux, with a real fleet and a real evaluation."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import wait_for
from tests.test_config import SHIPPED
from tests.test_demo import started_below

pytestmark = pytest.mark.slow


class Terminal:
    """A tmux of its own, with one window."""

    def __init__(self, socket: str, command: list[str], columns: int, lines: int, directory: Path) -> None:
        self._tmux = ["tmux", "-f", "/dev/null", "-L", socket]
        size = ["-x", str(columns), "-y", str(lines)]
        shown = f"{shlex.join(command)}; echo ended with $?; sleep 600"
        environment = {**os.environ, "PYTHONPATH": str(SHIPPED.parent), "TERM": "xterm-256color"}
        subprocess.run(
            [*self._tmux, "new-session", "-d", *size, shown], cwd=directory, env=environment, check=True, timeout=30
        )

    def press(self, *keys: str) -> None:
        subprocess.run([*self._tmux, "send-keys", *keys], check=True, timeout=30)

    def resize(self, columns: int, lines: int) -> None:
        subprocess.run([*self._tmux, "resize-window", "-x", str(columns), "-y", str(lines)], check=True, timeout=30)

    def screen(self) -> str:
        return subprocess.run(
            [*self._tmux, "capture-pane", "-p"], capture_output=True, text=True, check=True, timeout=30
        ).stdout

    def wait_for(self, text: str, timeout_s: float = 120) -> str:
        wait_for(lambda: text in self.screen(), f"{text!r} on\n{self.screen()}", timeout_s)
        return self.screen()

    def line(self, text: str) -> str:
        """The line of the screen that holds a text."""
        return next((line for line in self.screen().splitlines() if text in line), "")

    def close(self) -> None:
        subprocess.run([*self._tmux, "kill-server"], check=False, capture_output=True, timeout=30)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    command = [sys.executable, "-m", "tau2tui", "demo", "--dir", str(tmp_path), "--num-tasks", "20"]
    terminal = Terminal(f"tau2tui-{os.getpid()}", command, 80, 24, SHIPPED.parent)
    yield terminal
    terminal.close()
    wait_for(lambda: not started_below(tmp_path), "everything to be stopped", timeout_s=120)


def test_a_killed_replica_is_seen_to_fail_and_one_key_brings_it_back_while_the_evaluation_goes_on(
    terminal: Terminal, tmp_path: Path
) -> None:
    terminal.wait_for("●17 ready")
    terminal.wait_for("eval")
    pid = subprocess.run(
        ["pgrep", "-f", f"{tmp_path}.*--latency-of orchestrator"], capture_output=True, text=True, check=True
    ).stdout.split()[0]
    os.kill(int(pid), signal.SIGKILL)
    terminal.wait_for("✖1 failed")
    failed = next(line for line in terminal.screen().splitlines() if "✖ failed" in line)
    replica = failed.split()[2]

    terminal.press("g")
    rows = [line.split()[2] for line in terminal.screen().splitlines() if line[1:2] in "●✖◐"]
    terminal.press(*["j"] * rows.index(replica))
    terminal.wait_for(f"{replica}  ✖ failed")  # the strip below the table names the row of the cursor
    terminal.press("R")
    terminal.wait_for("●17 ready")
    assert "failed" not in terminal.line(replica)

    terminal.press("4")
    terminal.wait_for("PASS RATE")
    terminal.press("5")
    terminal.wait_for("SERIES")
    terminal.press("6")
    terminal.wait_for("logs/fullrun.log")
    terminal.resize(50, 15)
    terminal.wait_for("at least 60")
    terminal.resize(100, 30)
    terminal.press("1")
    terminal.wait_for("●17 ready")

    terminal.press("q")
    terminal.wait_for("Close tau2tui?")
    terminal.press("y")
    shown = terminal.wait_for("ended with 0")
    assert "Traceback" not in shown
    assert list(tmp_path.glob("*/experiment_report_*.md"))
    assert started_below(tmp_path) == []


def test_a_terminal_that_goes_away_leaves_nothing_running(terminal: Terminal, tmp_path: Path) -> None:
    terminal.wait_for("ready")
    terminal.close()
    wait_for(lambda: not started_below(tmp_path), "everything to be stopped", timeout_s=120)
