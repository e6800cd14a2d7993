"""How long each expert takes, as it was measured in this run: what the orchestrator is told when it chooses."""

from __future__ import annotations

import re
import statistics
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from tau2tui.evaluation.participants import Cast

FEWEST = 20
"""Calls that must have been measured before anything is told."""
_MOST = 200
"""Of the newest calls the median is taken."""
_CHANGE = 1.25
"""The median must have changed by this factor before another figure is told."""
_TAIL_BYTES = 1 << 20
_CALL = re.compile(rb"type=expert_call .*?duration_ms=([0-9.]+).* expert=(\S+)")


class Latencies:
    """Running medians by expert, for any number of threads.

    What is told changes seldom: it stands in the tools, ahead of the conversation, so that every change costs each
    replica of the orchestrator the prefix that its cache holds. Within one conversation it never does.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest: dict[str, deque[float]] = {}
        self._told_s: dict[str, float] = {}

    def add(self, expert: str, duration_ms: float) -> None:
        """One more call of this expert."""
        with self._lock:
            self._newest.setdefault(expert, deque(maxlen=_MOST)).append(duration_ms / 1000)

    def read_logs(self, logs: Iterable[Path]) -> None:
        """Take over what earlier drivers of the run measured, from the ends of the domains' profile logs."""
        for log in logs:
            try:
                with log.open("rb") as file:
                    file.seek(0, 2)
                    file.seek(max(0, file.tell() - _TAIL_BYTES))
                    lines = file.read().split(b"\n")
            except OSError:
                continue
            for found in filter(None, map(_CALL.search, lines)):
                try:
                    self.add(found[2].decode(errors="replace"), float(found[1]))
                except ValueError:
                    continue

    def told_s(self, expert: str) -> float | None:
        """The median in seconds that is told now; None: too little is known."""
        with self._lock:
            newest = self._newest.get(expert, ())
            if len(newest) >= FEWEST:
                median = max(statistics.median(newest), 1e-3)
                told = self._told_s.get(expert)
                if told is None or not told / _CHANGE <= median <= told * _CHANGE:
                    self._told_s[expert] = median
            return self._told_s.get(expert)

    def informed(self, cast: Cast) -> Cast:
        """The cast of one conversation: experts with their latency as measured, or as configured before that."""
        return replace(
            cast,
            experts=tuple(
                replace(expert, latency_s=self.told_s(expert.name) or expert.latency_s) for expert in cast.experts
            ),
        )
