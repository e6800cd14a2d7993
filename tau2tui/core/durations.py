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
* Errors are drawn from those that were observed (`core.resampling`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tau2tui.core.censored import Fitted, Observed, Prior, fit_censored
from tau2tui.core.resampling import Resampled, Standardised

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Durations = tuple[tuple[str, float], ...]
"""Pairs of a domain and seconds."""
Stream = Callable[..., Any]
"""Makes a random generator for a kind of draw."""

_STEPS = {"airline": 8.9, "retail": 12.7, "telecom": 18.9, "mock": 4.3}
"""Steps of the shortest correct conversation about a task, the mean over tau2's base tasks (counted with scripts)."""
_BETWEEN_DOMAINS, _BETWEEN_STRANGERS = 0.6, 0.9
"""Standard deviation of a domain's location around what its steps let expect, and of one whose steps are not known."""
_COMMON_S, _COMMON_SPREAD = 120.0, 3.0
"""The location that the domains have in common, about; anything from seconds to hours."""
_SPREAD, _SPREAD_WEIGHT = 0.65, 10.0
"""Standard deviation of the logarithm of a domain's durations, and how many durations that belief is worth."""
_BETWEEN_RUNS, _OTHER_KIND_OF_RUN = 0.3, 2.5
"""Standard deviation of the speed of one run to that of another, and to that of a rehearsal or of other hardware."""
_EARLIER = 60.0
"""The most durations of a domain that earlier runs count for: tasks, prompts and models may have changed."""
_GUESSES = (
    (0.15, _BETWEEN_RUNS, 0.28),
    (0.4, _BETWEEN_RUNS, 0.4),
    (0.7, _BETWEEN_RUNS, 0.28),
    (0.4, _OTHER_KIND_OF_RUN, 0.04),
)
"""Standard deviations of the change of speed over _SPAN units, or over all that have begun if these are more, and of
that between runs; and how likely each is beforehand."""
_SPAN = 120.0
_LASTING = 0.92
"""What is left of a change to come after _SPAN / _KNOTS units: a queue that is long, or a replica lost, is mended."""
_SOON = 0.4
"""Standard deviation of the change of speed from the start of a unit that runs to the rest of its time."""
_KNOTS = 6
"""Stretches of what has begun, in which the speed changes linearly."""
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
        guesses = _GUESSES if earlier else _GUESSES[:-1]
        fits: list[Fitted] = []
        for walk, between, _ in guesses:
            fits.append(fit_censored(observed, self._prior(walk, between), len(names), fits[-1] if fits else None))
        scores = np.array([fit.log_evidence for fit in fits])
        shares = np.array([share for *_, share in guesses]) * np.exp(scores - scores.max())
        shares /= shares.sum()
        # The same walks for the same replicates, whatever is drawn besides.
        self._which = np.searchsorted(np.cumsum(shares), (np.arange(count) + 0.5) / count).clip(0, len(fits) - 1)
        self._which = stream("walks").permutation(self._which)
        self._walk_steps: list[Floats] = []
        self._draw_parameters(fits)
        best = fits[int(shares.argmax())]
        self._errors = Resampled(np, _standardised(observed, best), count, stream("errors"))

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
            unknown: Floats = np.full(self._begun, float(self._begun))
            return unknown
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

    def _prior(self, walk: float, between_runs: float) -> Prior:
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
        precision[1 + len(self._numbers), 1 + len(self._numbers)] = between_runs**-2
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
        self._walk = np.array([walk for walk, *_ in _GUESSES])[self._which]

    def queued(self, domain: str, places: Floats) -> Floats:
        """Seconds of the units of a domain that are so many places behind in the queue, (units, replicates)."""
        number = self._numbers[domain]
        units = (len(places), self._count)
        errors = self._errors.draw(self._stream(domain, "uniform"), self._stream(domain, "normal"), units)
        return _seconds(self._np, self._locations[number] + self._later(places) + self._spreads[number] * errors)

    def running(self, running: Durations) -> list[Floats]:
        """Seconds that are left to units of these ages, (replicates) each."""
        np, stream = self._np, self._stream("running")
        speed = self._hats(self._places[self._begun - len(running) :]) @ self._knots
        soon = np.exp(_SOON * self._stream("soon").standard_normal(self._count))
        left = []
        for row, (domain, age_s) in enumerate(running):
            number = self._numbers[domain]
            location, spread = self._locations[number] + speed[row], self._spreads[number]
            bounds = (math.log(max(age_s, _SHORTEST_S)) - location) / spread
            errors = self._errors.beyond(bounds, spread, stream)
            left.append(np.maximum(_seconds(np, location + spread * errors) - max(age_s, 0.0), 0.0) * soon)
        return left

    def _later(self, places: Floats) -> Floats:
        """The speed at so many places from now on, (places, replicates): random, and drawn back to that of now."""
        np = self._np
        every = self._span / _KNOTS
        along = places / every
        wanted = int(along.max(initial=0.0)) + 2
        if len(self._walk_steps) < wanted:
            stream = self._stream("later")
            steps = [self._walk / math.sqrt(_KNOTS) * stream.standard_normal(self._count) for _ in range(wanted)]
            self._walk_steps = [np.zeros(self._count)]
            for step in steps:
                self._walk_steps.append(_LASTING * self._walk_steps[-1] + step)
        path = np.array(self._walk_steps)
        below = along.astype(int)
        part = (along - below)[:, None]
        speed: Floats = path[below] * (1 - part) + path[below + 1] * part
        return speed


def _standardised(observed: Observed, fit: Fitted) -> Standardised:
    errors = (observed.values - observed.design @ fit.means) / fit.spreads[observed.groups]
    known = ~observed.beyond
    return Standardised(errors[known], observed.weights[known], errors[observed.beyond])


def _logs(np: Any, seconds: list[float]) -> Floats:
    values: Floats = np.log(np.clip(np.nan_to_num(np.array(seconds, dtype=float)), _SHORTEST_S, 1e9))
    return values


def _seconds(np: Any, logs: Floats) -> Floats:
    values: Floats = np.exp(np.clip(logs, math.log(_SHORTEST_S), math.log(1e10)))
    return values
