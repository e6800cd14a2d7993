"""Which units wait and which run: a thread for each that runs, so their number can change at any moment."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable

from tau2tui.evaluation.faults import Abandoned
from tau2tui.evaluation.results import Outcome
from tau2tui.evaluation.units import Unit


class Schedule:
    """Starts units and collects how they end. All methods are for the one thread that drives it.

    The threads of units are daemons: a call that hangs can not keep the process from ending.
    """

    def __init__(self, units: Iterable[Unit], run: Callable[[Unit], Outcome], limit: int) -> None:
        """`run` runs one unit and may raise Abandoned, nothing else; `limit` is the most units at once."""
        self.limit = limit
        self.paused = False
        self._waiting = deque(units)
        self._running: set[Unit] = set()
        self._run = run
        self._ended: queue.SimpleQueue[Outcome] = queue.SimpleQueue()

    @property
    def running(self) -> int:
        """How many units run."""
        return len(self._running)

    @property
    def done(self) -> bool:
        """Nothing runs and nothing waits."""
        return not self._waiting and not self._running

    def start_more(self) -> None:
        """Start as many units as there is room for, unless paused."""
        while self._waiting and not self.paused and len(self._running) < self.limit:
            unit = self._waiting.popleft()
            self._running.add(unit)
            threading.Thread(target=self._work, args=(unit,), name=unit.name, daemon=True).start()

    def next_ended(self, timeout_s: float) -> Outcome | None:
        """The next unit that ends within the time, if one does."""
        try:
            outcome = self._ended.get(timeout=timeout_s)
        except queue.Empty:
            return None
        self._running.discard(outcome.unit)
        return outcome

    def _work(self, unit: Unit) -> None:
        try:
            self._ended.put(self._run(unit))
        except Abandoned:
            return
