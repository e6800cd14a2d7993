"""The real command in a real tmux with its default options: sizes, clients, colours, pasted keys, and how it ends.

What a terminal is like after `kill -9` is the shell's matter: nobody is left to restore it; `reset` does.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tau2tui.core import layout
from tests.bench.pseudo_terminal import PseudoTerminal
from tests.bench.screens import recorded_run
from tests.processes import stat_fields, wait_for
from tests.terminal import Terminal

pytestmark = pytest.mark.slow
_PHASES = {1: "failed", 2: "degraded", 3: "loading", 4: "stopped"}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recorded run of 16 replicas, five of which are not ready, and a `squeue` that knows its jobs."""
    place = tmp_path_factory.mktemp("recorded")
    file = recorded_run(place, 16)
    for number, phase in _PHASES.items():
        replica = place / "runs/one" / layout.replica_file(f"expert-1-{number}")
        replica.write_text(json.dumps({**json.loads(replica.read_text()), "phase": phase, "why": f"says {phase}"}))
    return file


@contextmanager
def opened(config: Path, state: Path, columns: int = 80, lines: int = 24, **environment: str) -> Iterator[Terminal]:
    """The command in a tmux of its own, once the fleet is there."""
    env = {"PATH": f"{config.parent}:{os.environ['PATH']}", "XDG_STATE_HOME": str(state), **environment}
    command = ["env", *(f"{name}={value}" for name, value in env.items())]
    command += [sys.executable, "-m", "tau2tui", "-c", str(config)]
    terminal = Terminal(f"tau2tui-{os.getpid()}-{state.name}", command, columns, lines, config.parent)
    try:
        terminal.wait_for("expert-1-0")
        terminal.wait_for("●12")
        yield terminal
    finally:
        terminal.close()


def test_a_terminal_that_becomes_too_small_says_so_and_everything_is_back_when_it_grows(
    config: Path, tmp_path: Path
) -> None:
    with opened(config, tmp_path) as terminal:
        terminal.press("j", "j")
        terminal.resize(59, 19)
        terminal.wait_for("at least 60")
        terminal.resize(60, 20)
        terminal.wait_for("expert-1-2")
        terminal.resize(170, 40)
        terminal.wait_for("endpoint")
        terminal.resize(80, 24)
        terminal.wait_for("expert-1-2  ▲ degraded")


def test_clients_of_other_sizes_come_and_go_and_the_app_goes_on(config: Path, tmp_path: Path) -> None:
    with opened(config, tmp_path, 80, 24) as terminal:
        with client(terminal, (150, 40)):
            wait_for(lambda: terminal.ask("#{window_width}") == "150", "the size of the client")
            terminal.wait_for("●12 ready")  # words, which 80 columns have no room for
            with client(terminal, (70, 22)) as small:
                small.press(b"j")
                wait_for(lambda: terminal.ask("#{window_width}") == "70", "the size of the client that types")
                terminal.wait_for("expert-1-1  ✖ failed")
            terminal.tmux("detach-client", "-a")
        wait_for(lambda: terminal.ask("#{session_attached}") == "0", "nobody to look")
        with client(terminal, (100, 30)):
            wait_for(lambda: terminal.ask("#{window_width}") == "100", "the size of the client")
            terminal.press("j")
            terminal.wait_for("expert-1-2  ▲ degraded")


@contextmanager
def client(terminal: Terminal, size: tuple[int, int]) -> Iterator[PseudoTerminal]:
    """Somebody attached to the session."""
    with PseudoTerminal(terminal.tmux_argv("attach-session"), {**os.environ, "TERM": "xterm-256color"}, size) as client:
        client.wait_for(b"Fleet")
        yield client


def test_without_colours_and_in_ascii_every_state_is_a_word(config: Path, tmp_path: Path) -> None:
    with opened(config, tmp_path, NO_COLOR="1") as terminal:
        drawn = terminal.tmux("capture-pane", "-p", "-e")
        codes = {code for codes in re.findall(r"\x1b\[([0-9;]*)m", drawn) for code in codes.split(";")}
        assert not codes & {"38", "48", *map(str, (*range(30, 38), *range(40, 48), *range(90, 98)))}
        terminal.press(":")
        terminal.wait_for("Leave")
        terminal.press(*"ascii", "Enter")
        terminal.wait_for("X failed")
        wait_for(lambda: terminal.screen().isascii(), "a screen in ASCII")
        shown = terminal.screen()
        assert {"X failed", "! degraded", "~ loading", "# stopped", "+ ready"} <= {
            " ".join(line.split()[:2]) for line in shown.splitlines()
        }


def test_what_is_pasted_presses_no_keys_and_escape_leaves_what_was_begun(config: Path, tmp_path: Path) -> None:
    control = config.parent / "runs/one/control"
    with opened(config, tmp_path) as terminal:
        terminal.tmux("set-buffer", "K y\nq")
        terminal.tmux("paste-buffer", "-p")
        terminal.press("j")
        terminal.wait_for("expert-1-1  ✖ failed")  # the paste came before, and did nothing
        assert "Review" not in terminal.screen() and not list(control.glob("*"))
        terminal.press("K")
        terminal.wait_for("Yes, do it")  # the same key, typed
        terminal.press("Escape")
        terminal.wait_until_gone("Yes, do it")
        terminal.press("/")
        terminal.wait_for("words, !not")
        terminal.press(*"expert-2")
        terminal.wait_for("8 of 16 match")
        terminal.press("Escape")
        terminal.wait_until_gone("8 of 16 match")
        terminal.wait_for("expert-1-0")
        assert not list(control.glob("*"))


def test_ctrl_c_twice_closes_it_and_gives_the_terminal_back(config: Path, tmp_path: Path) -> None:
    with opened(config, tmp_path) as terminal:
        assert terminal.ask("#{alternate_on}") == "1"
        terminal.press("C-c")
        terminal.wait_for("once more")
        terminal.press("C-c")
        terminal.wait_for("ended with 0")
        assert (terminal.ask("#{alternate_on}"), terminal.ask("#{mouse_any_flag}")) == ("0", "0")


def test_a_kill_ends_it_at_once_and_the_shell_goes_on(config: Path, tmp_path: Path) -> None:
    with opened(config, tmp_path) as terminal:
        subprocess.run(["kill", "-9", str(terminal.pid_of("tau2tui"))], check=True)
        terminal.wait_for("ended with 137")


def test_after_a_stop_that_nobody_announced_the_terminal_is_taken_again_and_given_back_in_the_end(
    config: Path, tmp_path: Path
) -> None:
    with opened(config, tmp_path) as terminal:
        tty, pid = terminal.ask("#{pane_tty}"), terminal.pid_of("tau2tui")
        os.kill(pid, signal.SIGSTOP)
        subprocess.run(["stty", "-F", tty, "sane"], check=True)  # as shells do
        terminal.tmux("send-keys", "-R")
        terminal.wait_until_gone("expert-1-0")
        os.kill(pid, signal.SIGCONT)
        terminal.wait_for("expert-1-0")
        assert terminal.ask("#{alternate_on}") == "1"
        terminal.press("2")
        terminal.wait_for("oss_eval_node1")
        terminal.press("q")
        terminal.wait_for("ended with 0")
        assert (terminal.ask("#{alternate_on}"), modes(tty) & {"icanon", "echo"}) == ("0", {"icanon", "echo"})


def test_what_goes_on_in_the_background_waits_until_the_shell_gives_it_the_terminal(
    config: Path, tmp_path: Path
) -> None:
    env = {"PATH": f"{config.parent}:{os.environ['PATH']}", "XDG_STATE_HOME": str(tmp_path), "PS1": "own shell> "}
    command = ["env", *(f"{name}={value}" for name, value in env.items()), "bash", "--norc", "-i"]
    terminal = Terminal(f"tau2tui-{os.getpid()}-{tmp_path.name}", command, 80, 24, config.parent)
    try:
        terminal.press(f"{sys.executable} -m tau2tui -c {config.name}", "Enter")
        terminal.wait_for("●12")
        pid = terminal.pid_of("bash", "tau2tui")
        os.kill(pid, signal.SIGSTOP)
        terminal.wait_for("Stopped")
        os.kill(pid, signal.SIGCONT)
        wait_for(lambda: state(pid) == "T", "it to be stopped again")
        terminal.press("fg", "Enter")
        terminal.wait_until_gone("own shell> ")
        terminal.press("2")
        terminal.wait_for("oss_eval_node1")
        terminal.press("q")
        terminal.wait_for("own shell> ")
    finally:
        terminal.close()


def modes(tty: str) -> set[str]:
    """What a terminal does by itself, such as `echo`, or not: `-echo`."""
    return set(subprocess.run(["stty", "-F", tty, "-a"], capture_output=True, text=True, check=True).stdout.split())


def state(pid: int) -> str:
    """What a process does, as `ps` has it; T: it is stopped."""
    return stat_fields(pid)[0]
