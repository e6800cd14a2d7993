"""A program in a terminal of its own: typed into, and timed by the bytes that it draws."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Sequence
from pathlib import Path

from tests.processes import TICKS_S, stat_fields

PATIENCE_S = 60.0


class PseudoTerminal:
    """Starts at once; `drawn` is what came since the last key."""

    def __init__(self, command: Sequence[str], environment: dict[str, str], size: tuple[int, int] = (120, 36)) -> None:
        self._file, slave = pty.openpty()
        self._resize(size)
        self.began = time.perf_counter()
        self._process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True, env=environment
        )
        os.close(slave)
        self.pid = self._process.pid
        self.drawn = b""

    def __enter__(self) -> PseudoTerminal:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self.go_away()

    def go_away(self) -> None:
        """As when a terminal vanishes and nobody sends a signal: the program is in no terminal's session."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def wait(self) -> int:
        """The program's exit code, negative for a signal. Raises subprocess.TimeoutExpired."""
        return self._process.wait(PATIENCE_S)

    def press(self, keys: bytes) -> None:
        """Type, and forget what was drawn before."""
        self.read_for(0.0)
        self.drawn = b""
        os.write(self._file, keys)

    def wait_for(self, pattern: bytes) -> float:
        """`time.perf_counter()` when bytes that match were drawn. Raises AssertionError if they never are."""
        wanted = re.compile(pattern, re.DOTALL)
        deadline = time.perf_counter() + PATIENCE_S
        while not wanted.search(self.drawn):
            assert time.perf_counter() < deadline and self._process.poll() is None, (pattern, self.drawn[-3000:])
            self._read(0.05)
        return time.perf_counter()

    def read_for(self, seconds: float) -> None:
        """Take what is drawn, so that the program is never held up by a full terminal."""
        deadline = time.perf_counter() + seconds
        while self._read(max(0.0, deadline - time.perf_counter())) or time.perf_counter() < deadline:
            pass

    def resize(self, size: tuple[int, int]) -> None:
        """As when somebody pulls at a window."""
        self._resize(size)
        os.kill(self.pid, signal.SIGWINCH)

    @property
    def cpu_s(self) -> float:
        """CPU time of the program itself, without that of what it started."""
        user, system, *_ = self._times_s()
        return user + system

    @property
    def others_cpu_s(self) -> float:
        """CPU time of what it started and saw end."""
        _, _, user, system = self._times_s()
        return user + system

    def _times_s(self) -> tuple[float, ...]:
        return tuple(int(field) / TICKS_S for field in stat_fields(self.pid)[11:15])

    @property
    def loop_cpu_ms(self) -> float:
        """CPU time of the program's first thread, in which the event loop runs: to the nanosecond, not to the tick."""
        return int(Path(f"/proc/{self.pid}/schedstat").read_text().split()[0]) / 1e6

    @property
    def memory_mib(self) -> float:
        """Resident memory of the program itself."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024

    def _read(self, timeout_s: float) -> bool:
        if not select.select([self._file], [], [], timeout_s)[0]:
            return False
        try:
            data = os.read(self._file, 1 << 16)
        except OSError:  # it has ended
            return False
        self.drawn += data
        return bool(data)

    def _resize(self, size: tuple[int, int]) -> None:
        columns, lines = size
        fcntl.ioctl(self._file, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
