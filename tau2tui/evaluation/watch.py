"""The units in which nothing happens, and those that take too long: named after minutes, not hours."""

from __future__ import annotations

from collections.abc import Callable

from tau2tui.core.model import RunningUnit
from tau2tui.core.steady import steady_time
from tau2tui.evaluation.journal import Journal
from tau2tui.evaluation.progress import Tally

_EVERY_S = 1.0


class Watch:
    """Looks over the running units every now and then."""

    def __init__(
        self,
        tally: Tally,
        journal: Journal,
        *,
        stall_s: float,
        unit_timeout_s: float,
        clock: Callable[[], float] = steady_time,
    ) -> None:
        self._tally = tally
        self._journal = journal
        self._stall_s = stall_s
        self._unit_timeout_s = unit_timeout_s
        self._clock = clock
        self._looked_at = 0.0

    def overdue(self) -> list[RunningUnit]:
        """Name what has stalled since the last look, in log and state; returns what has taken too long as a whole."""
        now = self._clock()
        if now - self._looked_at < _EVERY_S:
            return []
        self._looked_at = now
        units = self._tally.running()
        for unit in units:
            idle_s = now - unit.last_event_at
            if idle_s >= self._stall_s and not unit.stalled:
                self._tally.stalled(unit.name)
                self._journal.say(
                    f"{unit.name} stalled: no event for {idle_s:.0f} s, it waits for {unit.waits_for} "
                    f"after {unit.steps} steps",
                    unit.domain,
                )
        return [unit for unit in units if now - unit.started_at >= self._unit_timeout_s]
