"""Time limits for others, of which only the time counts in which our own process ran."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import TracebackType

LOOK_S = 0.1
"""At least so often the clock is looked at; a stop that is shorter is not noticed."""
LOOKS = 16
"""And so often within a limit."""


@dataclass(slots=True)
class OwnTime:
    """The time that has passed while we could notice what came: of a look at the clock that is late, what it was late
    for is not counted. Then the process was stopped, starved or busy, and nobody else was slow."""

    look_s: float
    """The planned time from one look to the next; up to twice as much is taken for one that is not late."""
    looked_at: float
    """On the clock of whoever looks."""
    passed_s: float = 0.0

    def look(self, now: float) -> float:
        """Count the time since the last look; returns all that has passed."""
        self.passed_s += min(now - self.looked_at, 2 * self.look_s)
        self.looked_at = now
        return self.passed_s


class Patience:
    """As `asyncio.timeout(limit_s)`, but in our own time, and with a bound on the first part of it.

    The bound holds until `got_on` is called. Raises TimeoutError out of its block.
    """

    def __init__(self, limit_s: float, first_s: float) -> None:
        self._limit_s, self._first_s = limit_s, first_s
        self._timeout = asyncio.timeout(None)
        self._loop = asyncio.get_running_loop()
        self._time = OwnTime(min(LOOK_S, first_s / LOOKS), self._loop.time())
        self._next: asyncio.TimerHandle | None = None
        self.is_in_first = True

    async def __aenter__(self) -> Patience:
        await self._timeout.__aenter__()
        self._look()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._next is not None:
            self._next.cancel()
        await self._timeout.__aexit__(kind, error, trace)

    def got_on(self) -> None:
        """The first part is over."""
        self.is_in_first = False

    def _look(self) -> None:
        passed_s = self._time.look(self._loop.time())
        if passed_s >= (self._first_s if self.is_in_first else self._limit_s):
            self._next = None
            self._timeout.reschedule(self._loop.time())
        else:
            self._next = self._loop.call_later(self._time.look_s, self._look)
