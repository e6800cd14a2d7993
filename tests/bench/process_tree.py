"""What a process and everything it started takes: CPU time and memory, sampled from /proc."""

from __future__ import annotations

import threading
from pathlib import Path

from tests.processes import TICKS_S, stat_fields

_EVERY_S = 0.25


class ProcessTree:
    """Samples a process with its descendants until it is stopped."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._cpu_s: dict[int, float] = {}
        self._offset_s = 0.0
        self.peak_mib = 0.0
        """Of all of them together, shared pages shared out (PSS)."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    @property
    def cpu_s(self) -> float:
        """CPU seconds since the last reset, of processes that have ended as of their last sample."""
        return sum(self._cpu_s.values()) - self._offset_s

    def reset(self) -> None:
        """Count from now on."""
        self._look()
        self._offset_s = sum(self._cpu_s.values())

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stop.wait(_EVERY_S):
            self._look()

    def _look(self) -> None:
        parents: dict[int, int] = {}
        cpu_s: dict[int, float] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                try:
                    fields = stat_fields(entry.name)
                except OSError:
                    continue
                parents[int(entry.name)] = int(fields[1])
                cpu_s[int(entry.name)] = (int(fields[11]) + int(fields[12])) / TICKS_S
        tree = {self._pid}
        while grown := {pid for pid, parent in parents.items() if parent in tree} - tree:
            tree |= grown
        self._cpu_s |= {pid: cpu_s[pid] for pid in tree if pid in cpu_s}
        self.peak_mib = max(self.peak_mib, sum(map(_pss_mib, tree)))


def _pss_mib(pid: int) -> float:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    except (OSError, ValueError):
        pass
    return 0.0
