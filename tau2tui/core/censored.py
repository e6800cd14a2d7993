"""Linear regression of values of which some are only known to lie beyond a bound: how slow is what still runs?

y = Xθ + error, the errors normal with a standard deviation for each group, θ normal beforehand. A bound counts with the
probability of lying beyond it. Found by Newton's method; the posterior is approximated by a normal distribution around
its mode (Laplace's method: L. Tierney and J. B. Kadane, JASA 81, 1986). The standard deviations follow by the EM
algorithm (A. P. Dempster, N. M. Laird and D. B. Rubin, JRSS B 39, 1977).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int_]

_ROUNDS, _CLOSE = 12, 1e-3
"""The most rounds, and the change of a mean or a spread below which no more are made: far less than is uncertain."""
_FAR = 8.0
"""Standard deviations beyond which density and tail underflow: the hazard's asymptotic series takes over."""


@dataclass(frozen=True, slots=True)
class Observed:
    """n values. A value that is `beyond` is a lower bound."""

    values: Floats
    design: Floats
    """(n, parameters)."""
    groups: Integers
    """The number of the group that each belongs to."""
    weights: Floats
    beyond: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Prior:
    """Beliefs before anything is observed."""

    means: Floats
    precision: Floats
    """(parameters, parameters), positive definite."""
    spread: float
    """Standard deviation of the errors."""
    spread_weight: float
    """How many values that belief is worth; as many again tie the groups to what they have in common."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """The posterior."""

    means: Floats
    covariance: Floats
    spreads: Floats
    """By group."""
    counts: Floats
    """By group the values' worth of what is known of its spread, that of the prior included."""
    log_evidence: float
    """Logarithm of the probability of what was observed, up to a constant: for comparing priors."""


def fit_censored(observed: Observed, prior: Prior, groups: int, near: Fitted | None = None) -> Fitted:
    """Fit the regression; with no values at all it is the prior. `near`: a fit with another prior, to begin from."""
    import numpy as np

    y, x, group = observed.values, observed.design, observed.groups
    weights, beyond = observed.weights, observed.beyond
    means: Floats = prior.means.copy()
    spreads: Floats = np.full(groups, prior.spread)
    if near is not None:
        means, spreads = near.means, near.spreads
    pull = prior.precision @ prior.means
    counted = np.bincount(group, weights, groups)
    hazards, bounds, information = np.zeros(len(y)), np.zeros(len(y)), np.zeros(len(y))
    precision = prior.precision
    for _ in range(_ROUNDS):
        before = np.concatenate([means, spreads])
        spread = spreads[group]
        bounds = (y - x @ means) / spread
        hazards[beyond] = [hazard(bound) for bound in bounds[beyond]]
        # A value's working response is itself; a bound's is what Newton's step makes of its slope and curvature.
        curvature = np.where(beyond, np.maximum(hazards * (hazards - bounds), 1e-9), 1.0)
        information = weights * curvature / spread**2
        response = np.where(beyond, x @ means + spread * hazards / curvature, y)
        precision = prior.precision + (x * information[:, None]).T @ x
        means = np.linalg.solve(precision, pull + x.T @ (information * response)).astype(np.float64)
        squares = np.bincount(group, weights * _squares(np, y - x @ means, spread, beyond), groups)
        common = (prior.spread_weight * prior.spread**2 + squares.sum()) / (prior.spread_weight + counted.sum())
        spreads = np.sqrt((prior.spread_weight * common + squares) / (prior.spread_weight + counted)).astype(np.float64)
        if np.abs(np.concatenate([means, spreads]) - before).max() < _CLOSE:
            break
    scaled = (y - x @ means) / spreads[group]
    logs = np.where(beyond, 0.0, -0.5 * scaled**2 - np.log(spreads[group]))
    logs[beyond] = [_log_tail(bound) for bound in scaled[beyond]]
    off = means - prior.means
    evidence = float(weights @ logs - 0.5 * off @ prior.precision @ off)
    evidence += 0.5 * float(np.linalg.slogdet(prior.precision)[1] - np.linalg.slogdet(precision)[1])
    covariance = np.linalg.inv(precision).astype(np.float64)
    return Fitted(means, covariance, spreads, np.asarray(counted + prior.spread_weight, dtype=np.float64), evidence)


def hazard(bound: float) -> float:
    """Of the standard normal distribution: density over the probability of more."""
    if bound > _FAR:
        return bound + 1 / bound
    return math.exp(-bound * bound / 2) / math.sqrt(2 * math.pi) / (0.5 * math.erfc(bound / math.sqrt(2)))


def _squares(np: object, errors: Floats, spread: Floats, beyond: NDArray[np.bool_]) -> Floats:
    """Expected squares of the errors; of a bound, of what lies beyond it."""
    squares: Floats = errors**2
    bounds = errors[beyond] / spread[beyond]
    squares[beyond] = [
        s * s * max(0.0, 1 + bound * hazard(bound)) for s, bound in zip(spread[beyond], bounds, strict=True)
    ]
    return squares


def _log_tail(bound: float) -> float:
    if bound > _FAR:
        return -bound * bound / 2 - math.log(bound * math.sqrt(2 * math.pi))
    return math.log(0.5 * math.erfc(bound / math.sqrt(2)))
