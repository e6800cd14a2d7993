"""A real terminal: tmux, typed into and read."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

from tests.processes import wait_for
from tests.test_config import SHIPPED


class Terminal:
    """A tmux of its own, with one window."""

    def __init__(self, socket: str, command: list[str], columns: int, lines: int, directory: Path) -> None:
        self._tmux = ["tmux", "-f", "/dev/null", "-L", socket]
        size = ["-x", str(columns), "-y", str(lines)]
        shown = f"{shlex.join(command)}; echo ended with $?; sleep 600"
        # Parallel pytest says how wide a terminal is, once and for all; this one can be resized.
        own = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        environment = {**own, "PYTHONPATH": str(SHIPPED.parent), "TERM": "xterm-256color"}
        subprocess.run(
            [*self._tmux, "new-session", "-d", *size, shown], cwd=directory, env=environment, check=True, timeout=30
        )

    def tmux_argv(self, *words: str) -> list[str]:
        """A command of the same tmux."""
        return [*self._tmux, *words]

    def tmux(self, *words: str) -> str:
        """Do a command of tmux; returns what it prints."""
        done = subprocess.run(self.tmux_argv(*words), capture_output=True, text=True, check=True, timeout=30)
        return done.stdout

    def ask(self, wanted: str) -> str:
        """A format of tmux, such as `#{window_width}`."""
        return self.tmux("display-message", "-p", wanted).strip()

    def press(self, *keys: str) -> None:
        subprocess.run([*self._tmux, "send-keys", *keys], check=True, timeout=30)

    def resize(self, columns: int, lines: int) -> None:
        subprocess.run([*self._tmux, "resize-window", "-x", str(columns), "-y", str(lines)], check=True, timeout=30)

    def screen(self) -> str:
        return subprocess.run(
            [*self._tmux, "capture-pane", "-p"], capture_output=True, text=True, check=True, timeout=30
        ).stdout

    def wait_for(self, text: str, timeout_s: float = 120) -> str:
        try:
            wait_for(lambda: text in self.screen(), repr(text), timeout_s)
        except AssertionError as error:
            raise AssertionError(f"{error}, on\n{self.screen()}") from None
        return self.screen()

    def wait_until_gone(self, text: str) -> None:
        wait_for(lambda: text not in self.screen(), f"{text!r} to go")

    def line(self, text: str) -> str:
        """The line of the screen that holds a text."""
        return next((line for line in self.screen().splitlines() if text in line), "")

    def pid_of(self, *words: str) -> int:
        """The process in the window whose command line holds a word; each further word names a child of it."""
        pid = self.ask("#{pane_pid}")
        for word in words:
            found = subprocess.run(
                ["pgrep", "--parent", pid, "--full", word], capture_output=True, text=True, check=True, timeout=30
            )
            pid = found.stdout.split()[0]
        return int(pid)

    def close(self) -> None:
        subprocess.run([*self._tmux, "kill-server"], check=False, capture_output=True, timeout=30)
