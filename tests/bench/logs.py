"""A large log opened at its end, on a real terminal: until its last line shows, memory, and CPU while it is quiet.

Against `tail -n 100` and, if it is handed in, toolong, on the same file in the same run.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.processes import cpu_s, processes_below

LAST = "the very last line"
PATIENCE_S = 60.0
_COLUMNS, _LINES = 120, 40

HEAD = """\
| log | who | s until its last line shows | RSS MiB before, after | CPU while it is quiet |
|--:|---|--:|--:|--:|"""


def make_log(path: Path, mib: int) -> None:
    """A log as vLLM writes it, every block really there on the disk."""
    line = "(APIServer pid=7) INFO 12-24 04:{:02}:{:02} [loggers.py:123] Engine 000: generation throughput: {:.1f}\n"
    block = "".join(line.format(n // 60 % 60, n % 60, n / 7) for n in range(10_000)).encode()
    with path.open("wb") as file:
        for _ in range(mib * (1 << 20) // len(block) + 1):
            file.write(block)
        file.write(f"INFO 12-24 05:00:00 {LAST}\n".encode())
        file.flush()
        os.fsync(file.fileno())


@dataclass
class Screen:
    """A program on a pseudo-terminal of its own; what it draws is kept."""

    argv: Sequence[str]
    cwd: Path
    drawn: bytes = b""
    _pid: int = field(default=0, init=False)
    _terminal: int = field(default=0, init=False)

    def __enter__(self) -> Screen:
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            os.chdir(self.cwd)
            environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "", "TMUX": ""}
            os.execvpe(self.argv[0], list(self.argv), environment)
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", _LINES, _COLUMNS, 0, 0))
        return self

    def __exit__(self, *_: object) -> None:
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._terminal)

    def press(self, keys: str) -> None:
        os.write(self._terminal, keys.encode())

    def wait_for(self, words: str, since: int = 0) -> float:
        """Until these words were drawn; when that was, on the monotonic clock."""
        deadline = time.monotonic() + PATIENCE_S
        while words.encode() not in self.drawn[since:]:
            assert time.monotonic() < deadline, f"{self.argv[0]} does not show {words!r}"
            self._take(0.02)
        return time.monotonic()

    def settle(self, seconds: float) -> None:
        """Let it draw for a while."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._take(0.05)

    def rss_mib(self) -> float:
        """Resident memory of the process and all below it."""
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in processes_below(self._pid))
        return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)

    def cpu_share(self, seconds: float) -> float:
        """Of one core, over some seconds of rest."""
        before = self._cpu_s()
        self.settle(seconds)
        return (self._cpu_s() - before) / seconds

    def _take(self, seconds: float) -> None:
        ready, _, _ = select.select([self._terminal], [], [], seconds)
        if ready:
            self.drawn += os.read(self._terminal, 1 << 16)

    def _cpu_s(self) -> float:
        return sum(map(cpu_s, processes_below(self._pid)))


def measure(directory: Path, mib: int, rounds: int, toolong: str, quiet_s: float) -> Iterator[str]:
    """Rows of results."""
    logs = directory / "logs"
    logs.mkdir()
    path = logs / "huge.trace"  # a name that the latencies pass over
    make_log(path, mib)
    size = f"{path.stat().st_size / (1 << 30):.2f} GB"
    yield f"| {size} | `tail -n 100` | {statistics.median(_tail(path) for _ in range(rounds)):.3f} | | |"
    opened, before, after, idle = [], [], [], []
    for number in range(rounds):
        with Screen([sys.executable, "-m", "tau2tui", "--logs", str(logs)], Path.cwd()) as screen:
            screen.wait_for("Latency")
            screen.settle(2.0)
            screen.press("6")
            screen.wait_for("huge.trace")
            screen.settle(2.0)
            before.append(screen.rss_mib())
            began, mark = time.monotonic(), len(screen.drawn)
            screen.press("\r")
            opened.append(screen.wait_for(LAST, mark) - began)
            screen.settle(1.0)
            after.append(screen.rss_mib())
            if number == 0:
                idle.append(screen.cpu_share(quiet_s))
    yield _row(size, "tau2tui, from the list with Enter", opened, before, after, idle)
    if toolong:
        opened, after, idle = [], [], []
        for number in range(rounds):
            began = time.monotonic()
            with Screen([toolong, str(path)], Path.cwd()) as screen:
                opened.append(screen.wait_for(LAST) - began)
                screen.settle(3.0)
                after.append(screen.rss_mib())
                if number == 0:
                    idle.append(screen.cpu_share(quiet_s))
        yield _row(size, "toolong, from its start", opened, [], after, idle)


def _row(size: str, who: str, opened: list[float], before: list[float], after: list[float], idle: list[float]) -> str:
    was = f"{statistics.median(before):.0f}, " if before else ""
    return (
        f"| {size} | {who} | {statistics.median(opened):.2f} | {was}{statistics.median(after):.0f} | "
        f"{statistics.median(idle):.1%} |"
    )


def _tail(path: Path) -> float:
    began = time.monotonic()
    said = subprocess.run(["tail", "-n", "100", str(path)], capture_output=True, check=True).stdout
    assert LAST.encode() in said
    return time.monotonic() - began
