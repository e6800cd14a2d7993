"""What has ended, runs and waits → when the rest ends: the remaining schedule, played through many times.

elapsed / done × remaining takes the tasks that are done for the tasks that are left. They differ where it matters: the
first to end are the short ones, the domains last differently long, a task that runs for ten minutes is no short one,
and at the end a few long ones run alone. Here every replicate draws a duration for each unit that is left
(`core.durations`), lets the units take their places as the driver would, and notes when each domain ends.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tau2tui.core.durations import DurationModel, Durations
from tau2tui.core.resampling import ERRORS_AT_ONCE

if TYPE_CHECKING:  # a tenth of a second: loaded when something is to be said about a run, not with the program
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_MOST_REPLICATES, _LEAST_REPLICATES = 400, 100
_CELLS = 250_000
"""Draws of one forecast, about: what keeps it at some ten milliseconds."""


@dataclass(frozen=True, slots=True)
class Work:
    """A run at one moment. Domains are in the order in which they are scheduled, durations in that of their ends."""

    finished: Durations = ()
    begun_s: tuple[float, ...] = ()
    """How many seconds ago each of them began; empty if that is not known."""
    running: Durations = ()
    """Domains and ages."""
    queued: tuple[tuple[str, int], ...] = ()
    """Domains and numbers of units, a further attempt that is expected counting as one."""
    concurrency: int = 1
    one_domain_at_a_time: bool = False
    """A domain begins when nothing of the last one runs any more."""
    earlier: Durations = ()
    """Durations of earlier runs."""

    @property
    def left(self) -> int:
        """Units that have not ended."""
        return len(self.running) + sum(count for _, count in self.queued)


@dataclass(frozen=True, slots=True)
class Span:
    """Seconds: median and the bounds of an interval of 80 %."""

    p10_s: float
    p50_s: float
    p90_s: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """When the whole run ends, and each domain of it that has not ended, from the moment of the work."""

    whole: Span
    domains: Mapping[str, Span] = field(default_factory=dict)


@lru_cache(maxsize=16)
def forecast(work: Work, seed: int = 0) -> Forecast | None:
    """Play the rest of the schedule through; the same for the same work and seed.

    None if nothing has ended and no earlier run is known, for then nothing says how long a unit takes.
    """
    if not work.left:
        return Forecast(Span(0.0, 0.0, 0.0))
    if not work.finished and not work.earlier:
        return None
    return _Replicates(work, seed).forecast()


class _Replicates:
    """The arrays of one forecast; each has a column for each replicate.

    Every kind of draw comes from a stream of its own and unit by unit, so that one more unit in the queue leaves the
    draws of the others as they are.
    """

    def __init__(self, work: Work, seed: int) -> None:
        import numpy as np

        self._np, self._work, self._seed = np, work, seed
        queued = sum(count for _, count in work.queued)
        cells = ERRORS_AT_ONCE + queued * (3 + work.concurrency // 64)
        # Powers of two: a queue that is one shorter is played through with the same draws.
        wanted = 2 ** round(math.log2(max(1.0, _CELLS / cells)))
        self._count = int(min(_MOST_REPLICATES, max(_LEAST_REPLICATES, wanted)))
        self._domains = tuple(dict.fromkeys([d for d, _ in (*work.queued, *work.running)]))
        self._model = DurationModel(
            self._domains, work.finished, work.begun_s, work.running, work.earlier, self._count, self._stream
        )

    def forecast(self) -> Forecast:
        np = self._np
        left = self._model.running(self._work.running)
        ends = {domain: np.zeros(self._count) for domain in self._domains}
        for (domain, _), seconds in zip(self._work.running, left, strict=True):
            ends[domain] = np.maximum(ends[domain], seconds)
        lanes = self._lanes(left)
        last = ""
        order, every = self._order(), np.arange(self._count)
        places = {domain: np.flatnonzero([one == domain for one in order]) for domain in self._counts()}
        rows = {domain: iter(self._model.queued(domain, place)) for domain, place in places.items()}
        for domain in order:
            if self._work.one_domain_at_a_time and domain != last:
                for other, end in ends.items():
                    if other != domain:
                        np.maximum(lanes, end[:, None], out=lanes)
                last = domain
            first = lanes.argmin(axis=1)
            end = lanes[every, first] + next(rows[domain])
            lanes[every, first] = end
            ends[domain] = np.maximum(ends[domain], end)
        whole = np.max(list(ends.values()), axis=0)
        return Forecast(self._span(whole), {domain: self._span(end) for domain, end in ends.items()})

    def _span(self, ends: Floats) -> Span:
        return Span(*(float(value) for value in self._np.quantile(ends, (0.1, 0.5, 0.9))))

    def _stream(self, *key: str | int) -> Any:
        """A generator of its own for each kind of draw."""
        return self._np.random.default_rng([self._seed, *(hash_of(part) for part in key)])

    def _counts(self) -> dict[str, int]:
        counts: Counter[str] = Counter()
        for domain, count in self._work.queued:
            counts[domain] += count
        return dict(counts)

    def _order(self) -> list[str]:
        """The domains of the queued units in the order in which they start: one after the other, or mixed."""
        counts = self._counts()
        if self._work.one_domain_at_a_time:
            return [domain for domain, count in counts.items() for _ in range(count)]
        places = [((place + 0.5) / count, domain) for domain, count in counts.items() for place in range(count)]
        return [domain for _, domain in sorted(places, key=lambda entry: entry[0])]

    def _lanes(self, left: list[Floats]) -> Floats:
        """When each place is free for a queued unit, (replicates, places).

        Where more run than may, after the number was lowered, the first to end make no room.
        """
        np = self._np
        concurrency = max(1, self._work.concurrency)
        queued = sum(count for _, count in self._work.queued)
        idle = max(0, min(concurrency - len(left), queued))
        lanes = np.stack([*left, *(np.zeros(self._count) for _ in range(idle))], axis=1)
        lanes.sort(axis=1)
        free: Floats = lanes[:, max(0, len(left) - concurrency) :]
        return free


def hash_of(part: str | int) -> int:
    """A number for a name: the same in every process, unlike `hash`."""
    return part if isinstance(part, int) else int.from_bytes(part.encode()[:64] or b"\0", "big")
