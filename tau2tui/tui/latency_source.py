"""The calls of one heap of logs that grows. Imports Polars: it is imported in the thread that reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tau2tui.analysis.frames import EVENTS
from tau2tui.analysis.latency_figures import LatencyCalls
from tau2tui.analysis.tail import LogTail
from tau2tui.defaults import ERROR_PATTERNS


class LatencySource:
    """What the logs have said so far."""

    def __init__(self, path: Path, patterns: Mapping[str, str] | None) -> None:
        """`patterns`: of error lines, None for the usual ones."""
        self.path = path
        self._tail = LogTail(path, ERROR_PATTERNS if patterns is None else patterns, use_cache=True)
        self.calls = LatencyCalls(EVENTS.to_frame())
        self.skipped = 0
        """Lines that look like a record and could not be read."""

    def poll(self) -> bool:
        """Read what is new; whether there was anything. Raises NothingToRead for a log that cannot be read."""
        logs = self._tail.poll()
        if logs is not None:
            self.calls, self.skipped = LatencyCalls(logs.events), logs.skipped.total
        return logs is not None

    @property
    def incidents(self) -> tuple[str, ...]:
        """What happened to the logs while they were followed, such as that one is shorter now, in words."""
        return tuple(str(replace(one, path=Path(one.path.name))) for one in self._tail.incidents)
