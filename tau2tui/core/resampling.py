"""Errors of a fit → further errors like them, in columns of replicates that differ as what is known of them allows.

* They are the observed ones, reweighted in each replicate (the Bayesian bootstrap: D. B. Rubin, Annals of Statistics 9,
  1981).
* The weight of one that is only known to lie beyond a bound is given to those beyond it (B. Efron, 1967, which is
  Kaplan and Meier's estimate).
* They are smoothed with a normal kernel whose variance is taken out again (B. W. Silverman, Density Estimation, 1986,
  §6.4), and mixed with a normal distribution, some of whose units take a multiple: a Pareto tail.
* How much of that distribution is mixed in is averaged over, weighted by how well each answer foretells every error
  from all others (leave-one-out likelihood: J. D. F. Habbema, J. Hermans and K. van den Broek, Compstat, 1974).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int_]

_PRIORS = ((8.0, 0.5), (120.0, 0.5))
"""The weight of the normal distribution among the errors: much where they look normal, little where they have another
shape; and how likely each is beforehand."""
_KERNEL = 0.35
"""Width of the kernel, in standard deviations, at one known error."""
_TAIL = 1.5
"""Exponent of the Pareto tail: P(longer than x | longer than age) = (x / age)^-1.5."""
_LONGEST = 8.0
"""Units that far beyond their draw are not expected: a deadline or the limit on steps ends them."""
_LONG_SHARE, _LONG_KNOWN_BY = 0.03, 60.0
"""The share of units that take a multiple of the usual, a Pareto variate, as long as few have ended; and the number of
durations after which half of that is left, because those durations show it themselves."""
_USUAL_SPREAD = 0.65
"""Standard deviation of the logarithm of durations in which a multiple is counted."""
_MOST_ERRORS = 160
"""More are put together into so many, evenly over their order."""
ERRORS_AT_ONCE = _MOST_ERRORS + 120
"""The most errors that are drawn from: those that were observed, and the two distributions they are mixed with."""


@dataclass(frozen=True, slots=True)
class Standardised:
    """Errors in units of their standard deviation, with weights; `bounds`: such that the error lies beyond."""

    values: Floats
    weights: Floats
    bounds: Floats


class Resampled:
    """Known errors with a weight for each in each replicate, sorted."""

    def __init__(self, np: Any, seen: Standardised, count: int, stream: Any) -> None:
        self._np, self._count = np, count
        total = float(seen.weights.sum())
        self._kernel = _KERNEL * (total + 1) ** -0.2
        known, counts = _thinned(np, seen.values, seen.weights)
        normal = np.array(_NORMAL)
        values = np.concatenate([known, normal, normal + np.array(_MULTIPLES) / _USUAL_SPREAD])
        mixed = np.array([np.concatenate([counts, _usual(np, weight, total)]) for weight, _ in _PRIORS])
        which = self._choice(self._left_out(values, mixed, len(known)), stream)
        order = np.argsort(values, kind="stable")
        self._values = values[order]
        bounded = np.array([_bounded(np, self._values, weights[order], seen.bounds) for weights in mixed])
        # Gamma(w) generalises the exponential weights of the Bayesian bootstrap to observations of weight w.
        drawn = stream.standard_gamma(bounded[which]) + 1e-12
        cumulated = np.cumsum(drawn, axis=1)
        self._below = cumulated / cumulated[:, -1:]
        self._flat = (self._below + np.arange(count)[:, None]).ravel()

    def _left_out(self, values: Floats, mixed: Floats, known: int) -> Floats:
        """Of each row of weights, how well it foretells each of the first values from all others: a log likelihood."""
        np, own = self._np, mixed[:, :known]
        apart = (values[:known, None] * math.sqrt(1 + self._kernel**2) - values) / self._kernel
        near = np.exp(-0.5 * apart**2)
        near[np.arange(known), np.arange(known)] = 0.0
        densities = (mixed @ near.T + 1e-12) / (mixed.sum(axis=1, keepdims=True) - own)
        scores: Floats = (own * np.log(densities)).sum(axis=1)
        return scores

    def _choice(self, scores: Floats, stream: Any) -> Integers:
        """Which of _PRIORS holds in each replicate."""
        np = self._np
        shares = np.array([share for _, share in _PRIORS]) * np.exp(scores - scores.max())
        steps = np.searchsorted(np.cumsum(shares / shares.sum()), (np.arange(self._count) + 0.5) / self._count)
        chosen: Integers = stream.permutation(steps.clip(0, len(_PRIORS) - 1))
        return chosen

    def draw(self, uniform: Any, normal: Any, shape: tuple[int, int]) -> Floats:
        """Errors of that shape, (units, replicates)."""
        errors = self._at(uniform.random(shape)) + self._kernel * normal.standard_normal(shape)
        shrunk: Floats = errors / math.sqrt(1 + self._kernel**2)
        return shrunk

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


def _usual(np: Any, weight: float, total: float) -> Floats:
    """Weights of the normal distribution, of that weight, and of its multiples, beside errors of that total."""
    long = _LONG_SHARE * _LONG_KNOWN_BY / (_LONG_KNOWN_BY + total) * (total + weight)
    weights: Floats = np.repeat([weight, long], len(_NORMAL)) / len(_NORMAL)
    return weights


def _bounded(np: Any, values: Floats, weights: Floats, bounds: Floats) -> Floats:
    """The weights of sorted values, with those of errors that lie beyond bounds given to the values beyond them."""
    for bound in np.sort(bounds):
        beyond = values > bound
        if (left := float(weights[beyond].sum())) > 0:
            weights = np.where(beyond, weights * (1 + 1 / left), weights)
    return weights


def _thinned(np: Any, values: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """No more than _MOST_ERRORS values: neighbours as their mean, with the sum of their weights."""
    if len(values) <= _MOST_ERRORS:
        return values, weights
    order = np.argsort(values, kind="stable")
    starts = np.linspace(0, len(values), _MOST_ERRORS, endpoint=False).astype(int)
    together = np.add.reduceat(weights[order], starts)
    return np.add.reduceat((weights * values)[order], starts) / together, together
