"""How long units take: what has ended, and what runs, by domain and in the order of their starts → draws for the rest.

log(duration) = location of its domain + speed of the servers + spread of the domain × error

* The domains' locations lie around one that they have in common, apart as the steps of tau2's tasks let expect; how
  far a domain is from that is learnt from its own units. A domain of which nothing has ended is so as uncertain as it
  should be.
* The speed of the servers is a random walk (A. C. Harvey, Forecasting, Structural Time Series Models and the Kalman
  Filter, 1989) in the order of starts. How fast it changes is averaged over, weighted by how well each answer explains
  what was seen. It is learnt up to now and goes on at random.
* Earlier runs had a speed of their own.
* Units that run count as lasting longer than their age (`core.censored`).
* Errors are the observed ones of all domains, in units of their domain's spread: reweighted in each replicate (the
  Bayesian bootstrap: D. B. Rubin, Annals of Statistics 9, 1981), the weight of those that are only known to lie beyond
  a bound given to those beyond it (B. Efron, 1967, which is Kaplan and Meier's estimate), smoothed with a normal kernel
  whose variance is taken out again (B. W. Silverman, Density Estimation, 1986, §6.4), and mixed with a normal
  distribution, some of whose units take a multiple: a Pareto tail.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from tau2tui.core.censored import Fitted, Observed, Prior, fit_censored

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Durations = tuple[tuple[str, float], ...]
"""Pairs of a domain and seconds."""
Stream = Callable[..., Any]
"""Makes a random generator for a kind of draw."""

_STEPS = {"airline": 8.9, "retail": 12.7, "telecom": 18.9, "mock": 4.3}
"""Steps of the shortest correct conversation about a task, in the mean over tau2's base tasks (counted with scripted models)."""
_BETWEEN_DOMAINS, _BETWEEN_STRANGERS = 0.6, 0.9
"""Standard deviation of a domain's location around what its steps let expect, and of one whose steps are not known."""
_COMMON_S, _COMMON_SPREAD = 120.0, 3.0
"""The location that the domains have in common, about; anything from seconds to hours."""
_SPREAD, _SPREAD_WEIGHT = 0.65, 4.0
"""Standard deviation of the logarithm of a domain's durations, and how many durations that belief is worth."""
_BETWEEN_RUNS = 0.3
"""Standard deviation of the speed of one run to that of another."""
_EARLIER = 60.0
"""The most durations of a domain that earlier runs count for: tasks, prompts and models may have changed."""
_WALKS = ((0.15, 0.3), (0.4, 0.4), (0.7, 0.3))
"""Standard deviations of the change of speed over _SPAN units, or over all that have begun if these are more; and how
likely each is beforehand."""
_SPAN = 100.0
_KNOTS = 6
"""Stretches of what has begun, in which the speed changes linearly."""
_PRIOR = 8.0
"""The weight of the normal distribution among the errors."""
_KERNEL = 0.35
"""Width of the kernel, in standard deviations, at one known error."""
_TAIL = 1.5
"""Exponent of the Pareto tail: P(longer than x | longer than age) = (x / age)^-1.5."""
_LONGEST = 8.0
"""Units that far beyond their draw are not expected: a deadline or the limit on steps ends them."""
_LONG_SHARE, _LONG_KNOWN_BY = 0.03, 60.0
"""The share of units that take a multiple of the usual, a Pareto variate, as long as few have ended; and the number of
durations after which half of that is left, because those durations show it themselves."""
_MOST_ERRORS = 160
"""More are put together into so many, evenly over their order."""
_SHORTEST_S = 1e-3


class DurationModel:
    """Draws of durations, a column for each replicate."""

    def __init__(
        self,
        domains: Sequence[str],
        finished: Durations,
        begun_s: Sequence[float],
        running: Durations,
        earlier: Durations,
        count: int,
        stream: Stream,
    ) -> None:
        """`running` with ages; `count`: replicates.

        `begun_s`: how long ago each of the finished began. Else (empty) they are taken to be as fast as those to come.
        """
        import numpy as np

        self._np, self._count, self._stream = np, count, stream
        names = dict.fromkeys([*domains, *(name for name, _ in (*finished, *running, *earlier))])
        self._numbers = {name: number for number, name in enumerate(names)}
        self._begun = len(finished) + len(running)
        self._span = max(_SPAN, float(self._begun))
        self._places = self._ranks(finished, begun_s, running)
        observed = self._observed(finished, running, earlier)
        fits = [fit_censored(observed, self._prior(walk), len(names)) for walk, _ in _WALKS]
        scores = np.array([fit.log_evidence for fit in fits])
        shares = np.array([share for _, share in _WALKS]) * np.exp(scores - scores.max())
        shares /= shares.sum()
        # The same walks for the same replicates, whatever is drawn besides.
        self._which = np.searchsorted(np.cumsum(shares), (np.arange(count) + 0.5) / count).clip(0, len(fits) - 1)
        self._which = stream("walks").permutation(self._which)
        self._walk_steps: list[Floats] = []
        self._draw_parameters(fits)
        best = fits[int(shares.argmax())]
        self._errors = _Errors(np, _standardised(observed, best), count, stream("errors"))

    def _observed(self, finished: Durations, running: Durations, earlier: Durations) -> Observed:
        np = self._np
        rows = [*finished, *running, *earlier]
        numbers = np.array([self._numbers[name] for name, _ in rows], dtype=int)
        design = np.zeros((len(rows), self._parameters))
        design[np.arange(len(rows)), 1 + numbers] = 1
        design[: self._begun, -_KNOTS:] = self._hats(self._places)
        weights = np.ones(len(rows))
        if earlier:
            design[self._begun :, 1 + len(self._numbers)] = 1
            before = numbers[self._begun :]
            weights[self._begun :] = np.minimum(1.0, _EARLIER / np.bincount(before)[before])
        beyond = np.zeros(len(rows), dtype=bool)
        beyond[len(finished) : self._begun] = True
        return Observed(_logs(np, [seconds for _, seconds in rows]), design, numbers, weights, beyond)

    def _ranks(self, finished: Durations, begun_s: Sequence[float], running: Durations) -> Floats:
        """The place of each finished and running unit in the order of starts; what began together has the same."""
        np = self._np
        if len(begun_s) != len(finished):
            return np.full(self._begun, float(self._begun))
        ago = -np.array([*begun_s, *(age_s for _, age_s in running)], dtype=float)
        in_order = np.sort(ago)
        ranks: Floats = (np.searchsorted(in_order, ago, "left") + np.searchsorted(in_order, ago, "right")) / 2
        return ranks

    @property
    def _parameters(self) -> int:
        """What the domains have in common, each domain, the speed of earlier runs, the speed at each knot but now."""
        return 1 + len(self._numbers) + 1 + _KNOTS

    def _hats(self, places: Floats) -> Floats:
        """Linear interpolation between knots, (places, knots): the oldest first, and without the last, which is 0."""
        np = self._np
        along = places / max(1, self._begun) * _KNOTS
        hats: Floats = np.maximum(0.0, 1 - np.abs(along[:, None] - np.arange(_KNOTS)))
        return hats

    def _prior(self, walk: float) -> Prior:
        np = self._np
        means, precision = np.zeros(self._parameters), np.zeros((self._parameters, self._parameters))
        means[0] = math.log(_COMMON_S)
        precision[0, 0] = _COMMON_SPREAD**-2
        for name, number in self._numbers.items():
            place, steps = 1 + number, _STEPS.get(name)
            apart = math.log(steps / _STEPS["retail"]) if steps else 0.0
            means[place] = means[0] + apart
            weight = (_BETWEEN_DOMAINS if steps else _BETWEEN_STRANGERS) ** -2
            precision[0, 0] += weight
            precision[place, place] += weight
            precision[0, place] -= weight
            precision[place, 0] -= weight
        precision[1 + len(self._numbers), 1 + len(self._numbers)] = _BETWEEN_RUNS**-2
        weight = 1 / (walk**2 * max(1, self._begun) / self._span / _KNOTS)
        first = self._parameters - _KNOTS
        for knot in range(_KNOTS):
            precision[first + knot, first + knot] += weight
            if knot + 1 < _KNOTS:
                precision[first + knot + 1, first + knot + 1] += weight
                precision[first + knot, first + knot + 1] -= weight
                precision[first + knot + 1, first + knot] -= weight
        return Prior(means, precision, _SPREAD, _SPREAD_WEIGHT)

    def _draw_parameters(self, fits: Sequence[Fitted]) -> None:
        """Locations and spreads (domains, replicates), and the speed at the knots."""
        np = self._np
        normal = self._stream("locations").standard_normal((self._parameters, self._count))
        wide = self._stream("spreads").standard_normal((len(self._numbers), self._count))
        drawn, spreads = np.zeros_like(normal), np.zeros_like(wide)
        for number, fit in enumerate(fits):
            mine = self._which == number
            root = np.linalg.cholesky(fit.covariance)
            drawn[:, mine] = fit.means[:, None] + root @ normal[:, mine]
            spreads[:, mine] = fit.spreads[:, None] * np.exp(wide[:, mine] / np.sqrt(2 * fit.counts)[:, None])
        self._locations, self._spreads = drawn[1 : 1 + len(self._numbers)], spreads
        self._knots = drawn[-_KNOTS:]
        self._walk = np.array([walk for walk, _ in _WALKS])[self._which]

    def queued(self, domain: str, places: Floats) -> Floats:
        """Seconds of the units of a domain that are so many places behind in the queue, (units, replicates)."""
        number = self._numbers[domain]
        units = (len(places), self._count)
        errors = self._errors.draw(*(self._stream(domain, what) for what in ("uniform", "normal")), units)
        return _seconds(self._np, self._locations[number] + self._later(places) + self._spreads[number] * errors)

    def running(self, running: Durations) -> list[Floats]:
        """Total seconds of units of these ages, (replicates) each."""
        np, stream = self._np, self._stream("running")
        speed = self._hats(self._places[self._begun - len(running) :]) @ self._knots
        totals = []
        for row, (domain, age_s) in enumerate(running):
            number = self._numbers[domain]
            location, spread = self._locations[number] + speed[row], self._spreads[number]
            bounds = (math.log(max(age_s, _SHORTEST_S)) - location) / spread
            errors = self._errors.beyond(bounds, spread, stream)
            totals.append(np.maximum(_seconds(np, location + spread * errors), age_s))
        return totals

    def _later(self, places: Floats) -> Floats:
        """The speed at so many places from now on, (places, replicates): the walk goes on at random."""
        np = self._np
        every = self._span / _KNOTS
        along = places / every
        wanted = int(along.max(initial=0.0)) + 2
        if len(self._walk_steps) < wanted:
            stream = self._stream("later")
            steps = [self._walk / math.sqrt(_KNOTS) * stream.standard_normal(self._count) for _ in range(wanted)]
            self._walk_steps = [np.zeros(self._count), *np.cumsum(steps, axis=0)]
        path = np.array(self._walk_steps)
        below = along.astype(int)
        part = (along - below)[:, None]
        speed: Floats = path[below] * (1 - part) + path[below + 1] * part
        return speed


@dataclass(frozen=True, slots=True)
class _Standardised:
    values: Floats
    weights: Floats
    bounds: Floats


def _standardised(observed: Observed, fit: Fitted) -> _Standardised:
    errors = (observed.values - observed.design @ fit.means) / fit.spreads[observed.groups]
    known = ~observed.beyond
    return _Standardised(errors[known], observed.weights[known], errors[observed.beyond])


class _Errors:
    """Known errors with a weight for each in each replicate, sorted."""

    def __init__(self, np: Any, seen: _Standardised, count: int, stream: Any) -> None:
        self._np, self._count = np, count
        total = float(seen.weights.sum())
        self._kernel = _KERNEL * (total + 1) ** -0.2
        normal = np.array(_NORMAL)
        long = _LONG_SHARE * _LONG_KNOWN_BY / (_LONG_KNOWN_BY + total) * (total + _PRIOR)
        values, weights = _thinned(np, seen.values, seen.weights)
        values = np.concatenate([values, normal, normal + np.array(_MULTIPLES) / _SPREAD])
        weights = np.concatenate([weights, np.repeat([_PRIOR, long], len(_NORMAL)) / len(_NORMAL)])
        order = np.argsort(values, kind="stable")
        self._values, weights = values[order], weights[order]
        for bound in np.sort(seen.bounds):
            beyond = self._values > bound
            if (left := float(weights[beyond].sum())) > 0:
                weights[beyond] *= 1 + 1 / left
        # Gamma(w) generalises the exponential weights of the Bayesian bootstrap to observations of weight w.
        drawn = stream.standard_gamma(np.broadcast_to(weights, (count, len(weights)))) + 1e-12
        cumulated = np.cumsum(drawn, axis=1)
        self._below = cumulated / cumulated[:, -1:]
        self._flat = (self._below + np.arange(count)[:, None]).ravel()

    def draw(self, uniform: Any, normal: Any, shape: tuple[int, int]) -> Floats:
        """Errors of that shape, (units, replicates)."""
        np = self._np
        errors: Floats = self._at(uniform.random(shape)) + self._kernel * normal.standard_normal(shape)
        errors /= math.sqrt(1 + self._kernel**2)
        return np.asarray(errors)

    def beyond(self, bounds: Floats, spread: Floats, stream: Any) -> Floats:
        """Errors beyond these, (replicates); from the tail if nothing that is known lies there."""
        np = self._np
        uniform, tail = stream.random(self._count), stream.random(self._count)
        noise = stream.standard_normal(self._count)
        at = np.searchsorted(self._values, bounds, side="right")
        rows = np.arange(self._count)
        below = np.where(at > 0, self._below[rows, np.maximum(at - 1, 0)], 0.0)
        errors = self._at(below + uniform * (1 - below))
        # As smooth as the others; what would fall before the bound is thrown back behind it.
        known = bounds + np.abs(errors + self._kernel * noise - bounds)
        far = bounds + np.minimum(-np.log(tail + 1e-9) / _TAIL, math.log(_LONGEST)) / spread
        chosen: Floats = np.where((at >= len(self._values)) | (errors <= bounds), far, known)
        return chosen

    def _at(self, uniform: Floats) -> Floats:
        """The values at these shares of each replicate's weights; the last axis is that of replicates."""
        np = self._np
        places = np.searchsorted(self._flat, uniform + np.arange(self._count), side="left")
        within = np.clip(places - np.arange(self._count) * len(self._values), 0, len(self._values) - 1)
        found: Floats = self._values[within]
        return found


_NORMAL = [NormalDist().inv_cdf((place + 0.5) / 60) for place in range(60)]
"""The standard normal distribution, in equally likely values."""
_MULTIPLES = [min(-math.log(((place * 23) % 60 + 0.5) / 60) / _TAIL, math.log(_LONGEST)) for place in range(60)]
"""Logarithms of a Pareto distribution likewise, in an order that has nothing to do with that of the values above."""


def _thinned(np: Any, values: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """No more than _MOST_ERRORS values: neighbours as their mean, with the sum of their weights."""
    if len(values) <= _MOST_ERRORS:
        return values, weights
    order = np.argsort(values, kind="stable")
    starts = np.linspace(0, len(values), _MOST_ERRORS, endpoint=False).astype(int)
    together = np.add.reduceat(weights[order], starts)
    return np.add.reduceat((weights * values)[order], starts) / together, together


def _logs(np: Any, seconds: list[float]) -> Floats:
    values: Floats = np.log(np.clip(np.array(seconds, dtype=float), _SHORTEST_S, 1e9))
    return values


def _seconds(np: Any, logs: Floats) -> Floats:
    values: Floats = np.exp(np.clip(logs, math.log(_SHORTEST_S), math.log(1e10)))
    return values
