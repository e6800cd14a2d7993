"""The screen in terminals as they are not supposed to be: it goes on, or ends at once and says why in one line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.bench.pseudo_terminal import PseudoTerminal
from tests.bench.screens import recorded_run
from tests.processes import is_alive, wait_for

pytestmark = pytest.mark.slow
READY = rb"expert-1-0"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded_run(tmp_path_factory.mktemp("recorded"), 16)


def command(config: Path) -> list[str]:
    return [sys.executable, "-m", "tau2tui", "-c", str(config)]


def environment(config: Path, state: Path, **more: str) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    path = f"{config.parent}:{os.environ['PATH']}"
    return {**own, "TERM": "xterm-256color", "PATH": path, "XDG_STATE_HOME": str(state), **more}


@contextmanager
def opened(config: Path, state: Path, size: tuple[int, int] = (100, 30), **more: str) -> Iterator[PseudoTerminal]:
    with PseudoTerminal(command(config), environment(config, state, **more), size) as terminal:
        yield terminal


def quits(terminal: PseudoTerminal) -> None:
    """It still listens to keys: q closes it."""
    terminal.press(b"q")
    wait_for(lambda: ended(terminal), "its end")


def ended(terminal: PseudoTerminal) -> bool:
    """Whether the program has ended; what it draws is taken, so that it can."""
    terminal.read_for(0.05)
    return not is_alive(terminal.pid)


def test_a_storm_of_sizes_down_to_one_column_ends_nothing(config: Path, tmp_path: Path) -> None:
    with opened(config, tmp_path) as terminal:
        terminal.wait_for(READY)
        for columns, lines in [(1, 1), (240, 60), (20, 5), (500, 200), (80, 1), (1, 50), (59, 19)] * 6:
            terminal.resize((columns, lines))
            terminal.read_for(0.01)
        terminal.resize((100, 30))
        terminal.press(b"2")
        terminal.wait_for(rb"oss_eval_node1")
        quits(terminal)


@pytest.mark.parametrize("size", [(1, 1), (20, 5)], ids=str)
def test_a_terminal_of_a_few_cells_can_be_left(config: Path, tmp_path: Path, size: tuple[int, int]) -> None:
    with opened(config, tmp_path, size) as terminal:
        terminal.wait_for(rb"\x1b\[\?1049h")
        terminal.read_for(1.0)
        quits(terminal)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_to_end_ends_it_and_nothing_else(config: Path, tmp_path: Path, number: signal.Signals) -> None:
    """A cut SSH connection and a closed terminal are a SIGHUP."""
    with opened(config, tmp_path) as terminal:
        terminal.wait_for(READY)
        os.kill(terminal.pid, number)
        wait_for(lambda: ended(terminal), f"its end after {number.name}")
    assert not list((config.parent / "runs/one/control").glob("*-*.json")), "nothing of the run was touched"


def test_a_terminal_that_goes_away_without_a_signal_ends_it_too(config: Path, tmp_path: Path) -> None:
    with opened(config, tmp_path) as terminal:
        terminal.wait_for(READY)
        terminal.go_away()
        assert terminal.wait() == 128 + signal.SIGHUP
    assert not list((config.parent / "runs/one/control").glob("*-*.json")), "nothing of the run was touched"


def test_it_is_stopped_by_the_shell_and_goes_on(config: Path, tmp_path: Path) -> None:
    with opened(config, tmp_path) as terminal:
        terminal.wait_for(READY)
        os.kill(terminal.pid, signal.SIGTSTP)
        terminal.read_for(0.3)
        os.kill(terminal.pid, signal.SIGCONT)
        terminal.press(b"2")
        terminal.wait_for(rb"oss_eval_node1")
        quits(terminal)


@pytest.mark.parametrize("term", ["screen", "dumb", "vt100", "no-such-terminal", ""], ids=repr)
def test_whatever_the_terminal_calls_itself_the_fleet_is_shown(config: Path, tmp_path: Path, term: str) -> None:
    with opened(config, tmp_path, TERM=term) as terminal:
        terminal.wait_for(READY)
        quits(terminal)


def test_without_utf_8_the_fleet_is_shown(config: Path, tmp_path: Path) -> None:
    more = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    with opened(config, tmp_path, (100, 30), **more) as terminal:
        terminal.wait_for(READY)
        quits(terminal)


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "a file"])
def test_without_a_terminal_one_line_says_so(config: Path, tmp_path: Path, closed: bool) -> None:
    words = command(config)
    if closed:
        words = ["sh", "-c", 'exec "$@" <&-', "sh", *words]
    done = subprocess.run(
        words, env=environment(config, tmp_path), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
    assert "terminal" in done.stderr
