"""Looking at processes and waiting for what they do."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

TICKS_S = os.sysconf("SC_CLK_TCK")
"""Units of the kernel's times in a second."""


def stat_fields(pid: int | str) -> list[str]:
    """What the kernel says of a process behind its name, from field 3 of proc(5) on. Raises OSError if it is gone."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def cpu_s(pid: int) -> float:
    """CPU time that a process has used, without what it started. Raises OSError if it is gone."""
    user, system = stat_fields(pid)[11:13]
    return (int(user) + int(system)) / TICKS_S


def processes_below(pid: int) -> list[int]:
    """A process and all that it started, as far as they are there. Raises OSError if one goes meanwhile."""
    found = [pid]
    for one in found:
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            found += map(int, children.read_text().split())
    return found


def loaded_by(code: str, packages: Sequence[str]) -> set[str]:
    """Which of these packages are loaded after some code has run in a fresh interpreter."""
    report = f"import sys; print(' '.join(name for name in {tuple(packages)!r} if name in sys.modules))"
    output = subprocess.run([sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True)
    return set(output.stdout.split())


def is_alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return stat_fields(pid)[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(true: Callable[[], object], what: str, timeout_s: float = 180.0) -> None:
    """Look again and again until it is true; a test that waits in vain fails with what it waited for."""
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, f"waited {timeout_s} s in vain for: {what}"
        time.sleep(0.05)


def free_port() -> int:
    """A port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
