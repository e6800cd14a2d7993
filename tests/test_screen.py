"""The app as an operator meets it: in a real tmux, with a real fleet and a real evaluation."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import wait_for
from tests.terminal import Terminal
from tests.test_config import SHIPPED
from tests.test_demo import started_below

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("demo")]  # see test_demo


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
    terminal.wait_for("●17")
    wait_for(lambda: "eval " in terminal.screen().partition("\n")[0], "the evaluation: the fleet is launched", 120)
    pid = subprocess.run(
        ["pgrep", "-f", f"{tmp_path}.*--latency-of orchestrator"], capture_output=True, text=True, check=True
    ).stdout.split()[0]
    os.kill(int(pid), signal.SIGKILL)
    terminal.wait_for("✖ failed")
    failed = next(line for line in terminal.screen().splitlines() if "✖ failed" in line)
    replica = failed.split()[2]

    terminal.press("g")
    rows = [line.split()[2] for line in terminal.screen().splitlines() if line[1:2] in "●✖◐"]
    terminal.press(*["j"] * rows.index(replica))
    terminal.wait_for(f"{replica}  ✖ failed")  # the strip below the table names the row of the cursor
    terminal.press("R")
    terminal.wait_for("●17")
    assert "failed" not in terminal.line(replica)

    terminal.press("4")
    terminal.wait_for("PASS RATE")
    wait_for(lambda: list(tmp_path.glob("*/eval/units/*/*.json")), "something to report")
    terminal.press("5")
    terminal.wait_for("SERIES")
    terminal.press("6")
    terminal.wait_for("fullrun.log")
    terminal.resize(50, 15)
    terminal.wait_for("at least 60")
    terminal.resize(100, 30)
    terminal.press("1")
    terminal.wait_for("●17")

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
