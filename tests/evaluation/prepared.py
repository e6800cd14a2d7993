"""Evaluation drivers as processes of their own that need not load tau2: that takes longer than what most tests do.

They are forked from a server process in which tau2 is loaded already. `python -m tau2tui.evaluation`, which does the
same from the beginning, is run by the tests of the words, of the cluster, of the clock and of the smoke test.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from subprocess import TimeoutExpired
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerProcess


class Driver(Protocol):
    """What a test does with a process that evaluates."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None, /) -> int: ...
    def send_signal(self, sig: int, /) -> None: ...
    def kill(self) -> None: ...


class PreparedDriver:
    """A driver that runs; it is asked and ended like a `subprocess.Popen`."""

    def __init__(self, run_dir: Path, output: Path, environment: Mapping[str, str]) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tau2tui.evaluation.driver"])
        self._process: ForkServerProcess = context.Process(target=_drive, args=(run_dir, output, dict(environment)))
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """The exit code, once there is one."""
        return self._process.exitcode

    def wait(self, timeout_s: float | None = None) -> int:
        """The exit code, negative for a signal. Raises TimeoutExpired."""
        self._process.join(timeout_s)
        if self._process.exitcode is None:
            raise TimeoutExpired("the driver", timeout_s or 0.0)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self._process.exitcode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _drive(run_dir: Path, output: Path, environment: dict[str, str]) -> None:
    from tau2tui.evaluation.__main__ import main

    with output.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main([str(run_dir)]))
