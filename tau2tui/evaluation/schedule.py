"""Which units wait and which run: a thread for each that runs, so their number can change at any moment."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable

from tau2tui.evaluation.faults import Abandoned
from tau2tui.evaluation.results import Outcome
from tau2tui.evaluation.units import Unit

_EVALUATING_PER_SLOT = 1
"""So many conversations may wait for their evaluation for each that may go on: a bound on what is held in memory."""


class Schedule:
    """Starts units and collects how they end. Methods are for the one thread that drives it, `conversed` for all.

    The threads of units are daemons: a call that hangs can not keep the process from ending.
    """

    def __init__(
        self,
        units: Iterable[Unit],
        run: Callable[[Unit, threading.Event], Outcome],
        limit: int,
        *,
        one_domain_at_a_time: bool = False,
    ) -> None:
        """`limit`: the most conversations at once.

        `run` runs one unit; it should raise Abandoned soon after the event that it is given is set, and nothing else.
        """
        self.limit = limit
        self.paused = False
        self.finishing = False
        """Nothing new starts any more, and it is done when what runs has ended."""
        self._waiting = deque(units)
        self._running: dict[Unit, threading.Event] = {}
        self._conversing: set[Unit] = set()
        self._run = run
        self._one_domain = one_domain_at_a_time
        self._news: queue.SimpleQueue[Outcome | Unit] = queue.SimpleQueue()

    @property
    def running(self) -> int:
        """How many units run, those that are being evaluated included."""
        return len(self._running)

    @property
    def evaluating(self) -> int:
        """How many of these have ended their conversation."""
        return len(self._running) - len(self._conversing)

    @property
    def waiting(self) -> tuple[Unit, ...]:
        """The units that have not started."""
        return tuple(self._waiting)

    @property
    def done(self) -> bool:
        """Nothing runs, and nothing will."""
        return not self._running and (self.finishing or not self._waiting)

    def start_more(self) -> None:
        """Start as many units as there is room for, unless paused or finishing."""
        while self._waiting and not (self.paused or self.finishing) and self._has_room(self._waiting[0]):
            unit = self._waiting.popleft()
            abandoned = threading.Event()
            self._running[unit] = abandoned
            self._conversing.add(unit)
            threading.Thread(target=self._work, args=(unit, abandoned), name=unit.name, daemon=True).start()

    def conversed(self, unit: Unit) -> None:
        """The conversation of a unit is over, and another may begin while it is evaluated."""
        self._news.put(unit)

    def next_ended(self, timeout_s: float) -> Outcome | None:
        """The next unit that ends within the time, if one does; returns early when there is room for another."""
        try:
            news = self._news.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if isinstance(news, Unit):
            self._conversing.discard(news)
            return None
        # What was given up has its outcome already, whatever its thread may still come to.
        return news if self._forget(news.unit) is not None else None

    def give_up(self, name: str) -> Unit | None:
        """Let go of the unit of this name; None if no such unit runs."""
        unit = next((unit for unit in self._running if unit.name == name), None)
        if unit is not None and (abandoned := self._forget(unit)) is not None:
            abandoned.set()
        return unit

    def give_up_all(self) -> None:
        """Tell everything that runs to end without an outcome."""
        for abandoned in self._running.values():
            abandoned.set()

    def _has_room(self, unit: Unit) -> bool:
        if self._one_domain and any(running.domain != unit.domain for running in self._running):
            return False
        return len(self._conversing) < self.limit and self.evaluating <= _EVALUATING_PER_SLOT * self.limit

    def _forget(self, unit: Unit) -> threading.Event | None:
        self._conversing.discard(unit)
        return self._running.pop(unit, None)

    def _work(self, unit: Unit, abandoned: threading.Event) -> None:
        try:
            self._news.put(self._run(unit, abandoned))
        except Abandoned:
            return
