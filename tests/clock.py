"""A program whose clock can be set while it runs, from outside: its waits and durations must not notice."""

from __future__ import annotations

import sys
from pathlib import Path

_PROGRAM = """
import runpy, sys, time
file, what, *sys.argv = sys.argv[1:]
real = time.time
def shown():
    try:
        with open(file) as step:
            return real() + float(step.read() or 0)
    except (OSError, ValueError):
        return real()
time.time = shown
sys.argv.insert(0, what)
runpy.run_path(what, run_name="__main__") if what.endswith(".py") else runpy.run_module(what, run_name="__main__")
"""


class SteppedClock:
    """Shown by `time.time` of the programs that are started with it; no other process sees it."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def step(self, seconds: float) -> None:
        """Set it: so many seconds before or behind the real one."""
        temporary = self._file.with_suffix(".tmp")
        temporary.write_text(str(seconds))
        temporary.replace(self._file)

    def argv(self, what: str, *words: str) -> list[str]:
        """The command line that runs a file or a module by this clock."""
        return [sys.executable, "-c", _PROGRAM, str(self._file), what, *words]
