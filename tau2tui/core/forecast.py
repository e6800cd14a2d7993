"""What has ended, runs and waits → when the rest ends: the remaining schedule, played through many times.

elapsed / done × remaining takes the tasks that are done for the tasks that are left. They differ where it matters: the
first to end are the short ones, the domains last differently long, a task that runs for ten minutes is no short one,
and at the end a few long ones run alone. Here every replicate draws a duration for each unit that is left, lets the
units take their places as the driver would, and notes when each domain ends.

How a duration is drawn, all in logarithms:

* From the finished durations of its domain, reweighted in each replicate (the Bayesian bootstrap: D. B. Rubin, Annals
  of Statistics 9, 1981), recent ones counting more. Smoothed with a normal kernel whose variance is taken out again
  (B. W. Silverman, Density Estimation, 1986, §6.4).
* Few of its own are filled up from the other domains and from earlier runs, and from a wide prior; how far the domain
  may lie from those that lent is drawn once in each replicate.
* A unit that runs lasts longer than its age: its total is drawn from what lies beyond. With that total it counts among
  the durations that queued units are drawn from, else the slow ones would be missing (the redistribution to the right
  of B. Efron, 1967, which is Kaplan and Meier's estimate).
* One factor for each replicate says how the servers' speed may change until the end.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a tenth of a second: loaded when something is to be said about a run, not with the program
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Durations = tuple[tuple[str, float], ...]
"""Pairs of a domain and seconds."""

_MOST_REPLICATES, _LEAST_REPLICATES = 400, 100
_CELLS = 250_000
"""Draws of one forecast, about: what keeps it at some ten milliseconds."""
_LENT = 1.5
"""Durations that the other domains lend, in units of one of its own."""
_EARLIER = 20.0
"""The most that earlier runs count for, likewise."""
_PRIOR = 4.0
"""The weight of the fitted lognormal distribution, likewise."""
_KERNEL = 0.7
"""Width of the kernel, in standard deviations, at one known duration."""
_SPREAD_KNOWN = 3.0
"""So many durations' worth of belief is put into _PRIOR_SPREAD."""
_ROUNDS = 12
"""Of the EM algorithm."""
_PRIOR_SPREAD = 0.6
"""Standard deviation of the logarithm of durations, of which nothing is known yet; tau2's domains have 0.4 to 0.9."""
_BETWEEN_DOMAINS = 0.9
"""The same of a domain's median around that of the others."""
_SPEED = 0.22
"""The same of the speed of the servers, from now to the end."""
_HALF_LIFE = 80
"""After so many durations of a domain, one counts half."""
_TAIL = 1.5
"""Exponent of the Pareto tail beyond all that was seen: P(longer than x | longer than age) = (x / age)^-1.5."""
_LONGEST = 8.0
"""Units that far beyond their draw are not expected: a deadline or the limit on steps ends them."""
_LONG_SHARE, _LONG_KNOWN_BY = 0.03, 60.0
"""The share of units that take a multiple of the usual, a Pareto variate, as long as few have ended; and the number of
durations after which half of that is left, because those durations show it themselves."""
_SHORTEST_S = 1e-3


@dataclass(frozen=True, slots=True)
class Work:
    """A run at one moment. Domains are in the order in which they are scheduled, durations in that of their ends."""

    finished: Durations = ()
    running: Durations = ()
    """Domains and ages."""
    queued: tuple[tuple[str, int], ...] = ()
    """Domains and numbers of units, those that will be tried again included."""
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
        cells = len(work.finished) + len(work.earlier) + queued * (3 + work.concurrency // 64) + 1
        # Powers of two: a queue that is one shorter is played through with the same draws.
        wanted = 2 ** round(math.log2(max(1.0, _CELLS / cells)))
        self._count = int(min(_MOST_REPLICATES, max(_LEAST_REPLICATES, wanted)))
        self._domains = tuple(dict.fromkeys([d for d, _ in (*work.queued, *work.running)]))
        self._pools = {domain: self._pool(number, domain) for number, domain in enumerate(self._domains)}
        self._speed = np.exp(_SPEED * self._stream("speed").standard_normal(self._count))

    def forecast(self) -> Forecast:
        np = self._np
        totals, left = self._running()
        ends = {domain: np.zeros(self._count) for domain in self._domains}
        for (domain, _), seconds in zip(self._work.running, left, strict=True):
            ends[domain] = np.maximum(ends[domain], seconds)
        lanes = self._lanes(left)
        last = ""
        rows = {domain: iter(self._queued(domain, count, totals)) for domain, count in self._counts().items()}
        every = np.arange(self._count)
        for domain in self._order():
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

    def _running(self) -> tuple[dict[str, Floats], list[Floats]]:
        """Total durations of the running units by domain, (units, replicates), and what is left of each."""
        np = self._np
        totals: dict[str, list[Floats]] = {}
        left = []
        stream = self._stream("running")
        for domain, age_s in self._work.running:
            total = self._pools[domain].beyond(max(age_s, 0.0), stream)
            totals.setdefault(domain, []).append(total)
            left.append(np.maximum(total - max(age_s, 0.0), 0.0) * self._speed)
        return {domain: np.array(rows) for domain, rows in totals.items()}, left

    def _queued(self, domain: str, count: int, totals: Mapping[str, Floats]) -> Floats:
        """Durations of the queued units of a domain, (units, replicates)."""
        np, pool = self._np, self._pools[domain]
        durations = pool.draw(count, *(self._stream(domain, what) for what in ("uniform", "normal")))
        if (running := totals.get(domain)) is not None:
            among = len(running) / (len(running) + pool.weight)
            picked = self._stream(domain, "picked").random((count, self._count)) < among
            which = (self._stream(domain, "which").random((count, self._count)) * len(running)).astype(int)
            durations = np.where(picked, running[which, np.arange(self._count)], durations)
        scaled: Floats = durations * self._speed
        return scaled

    def _pool(self, number: int, domain: str) -> _Pool:
        """What durations of this domain are drawn from."""
        np, work = self._np, self._work
        own = _logs(np, [seconds for name, seconds in work.finished if name == domain])
        weights = 0.5 ** (np.arange(len(own))[::-1] / _HALF_LIFE)
        before = _logs(np, [seconds for name, seconds in work.earlier if name == domain])
        others = _logs(np, [seconds for name, seconds in (*work.finished, *work.earlier) if name != domain])
        parts = [(own, weights)]
        if len(before):
            parts.append((before, np.full(len(before), min(1.0, _EARLIER / len(before)))))
        known = float(sum(weight.sum() for _, weight in parts))
        lent = 0.0
        if len(others):
            lent = _LENT
            parts.append((others, np.full(len(others), lent / len(others))))
        values, weights = (np.concatenate([part[place] for part in parts]) for place in (0, 1))
        shift = _BETWEEN_DOMAINS * (_LENT + _PRIOR) / (known + _LENT + _PRIOR) if lent or not known else 0.0
        ages = _logs(np, [age_s for name, age_s in work.running if name == domain])
        return _Pool(np, values, weights, ages, known, shift, self._count, self._stream(domain, "weights"))


class _Pool:
    """Known durations of a domain with a weight for each in each replicate, sorted, and a lognormal around them."""

    def __init__(
        self,
        np: Any,
        values: Floats,
        weights: Floats,
        ages: Floats,
        known: float,
        shift: float,
        count: int,
        stream: Any,
    ) -> None:
        self._np = np
        self.weight = known + _LENT + _PRIOR
        self._middle, self._spread = fit_censored(values, weights, ages)
        total = float(weights.sum())
        self._kernel = _KERNEL * self._spread * (total + 1) ** -0.2
        normal = self._middle + self._spread * np.array(_NORMAL)
        long = _LONG_SHARE * _LONG_KNOWN_BY / (_LONG_KNOWN_BY + total) * (total + _PRIOR)
        values = np.concatenate([values, normal, normal + np.array(_MULTIPLES)])
        weights = np.concatenate([weights, np.repeat([_PRIOR, long], len(_NORMAL)) / len(_NORMAL)])
        order = np.argsort(values, kind="stable")
        self._values = values[order]
        # Gamma(w) generalises the exponential weights of the Bayesian bootstrap to observations of weight w.
        drawn = stream.standard_gamma(np.broadcast_to(weights[order], (count, len(values)))) + 1e-12
        cumulated = np.cumsum(drawn, axis=1)
        self._below = cumulated / cumulated[:, -1:]
        self._flat = (self._below + np.arange(count)[:, None]).ravel()
        unsure = self._spread / math.sqrt(total + 1) * _PRIOR / (_PRIOR + total)
        self._shift = math.hypot(shift, unsure) * stream.standard_normal(count)
        self._count = count

    def draw(self, units: int, uniform: Any, normal: Any) -> Floats:
        """Seconds, (units, replicates)."""
        np = self._np
        logs = self._at(uniform.random((units, self._count)))
        shrink = math.sqrt(1 + (self._kernel / self._spread) ** 2)
        noise = self._kernel * normal.standard_normal((units, self._count))
        return _seconds(np, self._middle + (logs - self._middle + noise) / shrink + self._shift)

    def beyond(self, age_s: float, stream: Any) -> Floats:
        """Total seconds of a unit of this age, (replicates); from the tail if little that is known took so long."""
        np = self._np
        uniform, tail = stream.random(self._count), stream.random(self._count)
        noise = stream.standard_normal(self._count)
        if age_s <= _SHORTEST_S:
            return _seconds(np, self._at(uniform) + self._shift)
        age = math.log(age_s) - self._shift
        at = np.searchsorted(self._values, age, side="right")
        rows = np.arange(self._count)
        below = np.where(at > 0, self._below[rows, np.maximum(at - 1, 0)], 0.0)
        place = below + uniform * (1 - below)
        logs = self._at(place)
        # As smooth as the others; what would fall before the age is thrown back behind it.
        known = age + np.abs(logs + self._kernel * noise - age)
        beyond = age + np.minimum(-np.log(tail + 1e-9) / _TAIL, math.log(_LONGEST))
        return _seconds(np, np.where((at >= len(self._values)) | (logs <= age), beyond, known) + self._shift)

    def _at(self, uniform: Floats) -> Floats:
        """The values at these shares of each replicate's weights; the last axis is that of replicates."""
        np = self._np
        places = np.searchsorted(self._flat, uniform + np.arange(self._count), side="left")
        found: Floats = self._values[
            np.clip(places - np.arange(self._count) * len(self._values), 0, len(self._values) - 1)
        ]
        return found


_NORMAL = [NormalDist().inv_cdf((place + 0.5) / 60) for place in range(60)]
"""The standard normal distribution, in equally likely values."""
_MULTIPLES = [min(-math.log(((place * 23) % 60 + 0.5) / 60) / _TAIL, math.log(_LONGEST)) for place in range(60)]
"""Logarithms of a Pareto distribution likewise, in an order that has nothing to do with that of the values above."""


def fit_censored(values: Floats, weights: Floats, beyond: Floats) -> tuple[float, float]:
    """Mean and standard deviation of a normal distribution of which some values are known, and of others a lower bound.

    The EM algorithm (A. P. Dempster, N. M. Laird and D. B. Rubin, JRSS B 39, 1977) for censored normal data, with
    _SPREAD_KNOWN values' worth of belief in _PRIOR_SPREAD.
    """
    import numpy as np

    total, count = float(weights.sum()), len(beyond)
    mean = float(np.average(values, weights=weights))
    spread = _PRIOR_SPREAD
    for _ in range(_ROUNDS):
        bounds = (beyond - mean) / spread
        hazard = np.array([_hazard(bound) for bound in bounds])
        expected = mean + spread * hazard
        variance = spread**2 * np.maximum(1 + bounds * hazard - hazard**2, 0.0)
        mean = float((weights @ values + expected.sum()) / (total + count))
        squares = weights @ (values - mean) ** 2 + ((expected - mean) ** 2 + variance).sum()
        spread = math.sqrt(float(squares + _SPREAD_KNOWN * _PRIOR_SPREAD**2) / (total + count + _SPREAD_KNOWN))
    return mean, spread


def _hazard(bound: float) -> float:
    """Of the standard normal distribution: density over the probability of more."""
    if bound > 8:  # where both underflow: the first terms of its asymptotic series
        return bound + 1 / bound
    return math.exp(-bound * bound / 2) / math.sqrt(2 * math.pi) / (0.5 * math.erfc(bound / math.sqrt(2)))


def hash_of(part: str | int) -> int:
    """A number for a name: the same in every process, unlike `hash`."""
    return part if isinstance(part, int) else int.from_bytes(part.encode()[:64] or b"\0", "big")


def _logs(np: Any, seconds: list[float]) -> Floats:
    values: Floats = np.log(np.clip(np.array(seconds, dtype=float), _SHORTEST_S, 1e9))
    return values


def _seconds(np: Any, logs: Floats) -> Floats:
    values: Floats = np.exp(np.clip(logs, math.log(_SHORTEST_S), math.log(1e10)))
    return values
