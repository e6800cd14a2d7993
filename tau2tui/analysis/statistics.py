"""Intervals and tests, by the textbook. Draws are made with a fixed seed: the same values give the same interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Interval: TypeAlias = tuple[float, float]

RESAMPLES = 2000
LEVEL = 0.95
SEED = 300
_FAR = 500
"""So many of the values that lie farthest from the mean are drawn themselves, however many values there are."""
_AT_ONCE = 100
"""Resamples that are made at once: their values stay in a core's cache, and the memory for them is used again."""


def percentiles_of_ordered(ordered: Floats, percents: Sequence[float]) -> Floats:
    """The percentiles of ascending values, of which there is at least one; shape (len(percents),).

    Linear interpolation between the closest ranks: type 7 of Hyndman & Fan (1996), NumPy's default.
    """
    rank = np.asarray(percents, dtype=np.float64) / 100 * (ordered.size - 1)
    below = rank.astype(np.int64)
    low, high = ordered[below], ordered[np.minimum(below + 1, ordered.size - 1)]
    return np.asarray(low + (high - low) * (rank - below), dtype=np.float64)


def mean_draws(values: npt.ArrayLike, resamples: int = RESAMPLES, seed: int = SEED) -> Floats:
    """The means of so many resamples with replacement; shape (resamples,), empty for no values.

    B. Efron & R. Tibshirani, "An Introduction to the Bootstrap" (1993), ch. 6. Of more than 1000 values the 500 that
    lie farthest from the mean are drawn as they are, Binomial(n, 500 / n) of them for each resample; the others have no
    tail left, and their sum is drawn from the normal distribution that it tends to. So the cost does not grow with n,
    and a few long calls that make the distribution of the mean a skewed one still do so.
    """
    x = np.asarray(values, dtype=np.float64)
    generator = np.random.default_rng(seed)
    if not x.size:
        return np.empty(0)
    if x.size <= 2 * _FAR:
        return np.asarray(x[generator.integers(0, x.size, (resamples, x.size))].mean(axis=1))
    order = np.argpartition(np.abs(x - x.mean()), x.size - _FAR)
    near, far = x[order[:-_FAR]], x[order[-_FAR:]]
    number = generator.binomial(x.size, _FAR / x.size, resamples)  # 500 on average, so never none
    sums = np.empty(resamples)
    for at in range(0, resamples, _AT_ONCE):
        some = number[at : at + _AT_ONCE]
        drawn = far.take(generator.integers(0, _FAR, some.sum(), dtype=np.uint16))
        np.add.reduceat(drawn, np.cumsum(some) - some, out=sums[at : at + _AT_ONCE])
    others = x.size - number
    sums += generator.normal(others * near.mean(), np.sqrt(others) * near.std())
    return np.asarray(sums / x.size)


def percentile_draws(values: npt.ArrayLike, percent: float, resamples: int = RESAMPLES, seed: int = SEED) -> Floats:
    """The percentiles (linear interpolation) of so many resamples, without making them; shape (resamples,).

    A resample's k-th smallest value is the original's ⌈n·U⌉-th, where U is the k-th smallest of n uniform numbers:
    U₍k₎ ~ Beta(k, n − k + 1), and U₍k+1₎ = U₍k₎ + (1 − U₍k₎)·Beta(1, n − k) (David & Nagaraja, Order Statistics, §2.1).
    So this is the bootstrap itself, at a cost that does not grow with n.
    """
    x = np.asarray(values, dtype=np.float64)
    if (x[1:] < x[:-1]).any():
        x = np.sort(x)
    n = x.size
    if not n:
        return np.empty(0)
    generator = np.random.default_rng(seed)
    place = percent / 100 * (n - 1)
    below = int(place)  # counted from 0
    low = generator.beta(below + 1, n - below, resamples)
    first = x[np.minimum((low * n).astype(np.int64), n - 1)]
    if below + 1 >= n:
        return first
    high = low + (1 - low) * generator.beta(1, n - below - 1, resamples)
    second = x[np.minimum((high * n).astype(np.int64), n - 1)]
    return np.asarray(first + (second - first) * (place - below), dtype=np.float64)


def interval_of(draws: Floats) -> Interval | None:
    """The percentile interval of bootstrap draws (Efron & Tibshirani, ch. 13); None without draws."""
    if not draws.size:
        return None
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def mean_interval(values: npt.ArrayLike) -> Interval | None:
    """The bootstrap interval of the mean; None for no values."""
    return interval_of(mean_draws(values))


def percentile_interval(values: npt.ArrayLike, percent: float) -> Interval | None:
    """The bootstrap interval of a percentile; None for no values."""
    return interval_of(percentile_draws(values, percent))


def clustered_mean_interval(sums: Sequence[float], counts: Sequence[int]) -> Interval | None:
    """The bootstrap interval of Σ sums / Σ counts where whole clusters are resampled: the trials of a task, which are
    not independent of each other (Davison & Hinkley, "Bootstrap Methods and their Application", §3.8)."""
    total, number = np.asarray(sums, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    if not number.sum():
        return None
    chosen = np.random.default_rng(SEED).integers(0, total.size, (RESAMPLES, total.size))
    return interval_of(total[chosen].sum(axis=1) / number[chosen].sum(axis=1))


def mean_shift(before: npt.ArrayLike, after: npt.ArrayLike) -> Interval | None:
    """The bootstrap interval of mean(after) − mean(before), the two resampled by themselves; None if one is empty."""
    return _difference(mean_draws(before), mean_draws(after, seed=SEED + 1))


def percentile_shift(before: npt.ArrayLike, after: npt.ArrayLike, percent: float) -> Interval | None:
    """The same of a percentile."""
    return _difference(percentile_draws(before, percent), percentile_draws(after, percent, seed=SEED + 1))


def mcnemar_exact(gained: int, lost: int) -> float:
    """The two-sided exact p-value of McNemar's test for paired outcomes: min(1, 2·Σᵢ₌₀ᵐ C(n, i) / 2ⁿ).

    n = gained + lost pairs differ, m = min(gained, lost): under the hypothesis of no difference each falls either way
    with probability ½ (Q. McNemar, Psychometrika 12, 1947; exact form: the binomial sign test). 1 if no pair differs.
    """
    pairs, fewer = gained + lost, min(gained, lost)
    tail = sum(math.comb(pairs, number) for number in range(fewer + 1))
    return float(min(1.0, 2 * tail / 2**pairs)) if pairs else 1.0


def pass_hat_k(successes: int, trials: int, k: int) -> float:
    """tau2's pass^k of one task: C(c, k) / C(n, k), the chance that k of its n trials, drawn at random, all passed.

    Raises ValueError if k is not within 1 … n.
    """
    if not 1 <= k <= trials:
        raise ValueError(f"pass^{k} of {trials} trials")
    return math.comb(successes, k) / math.comb(trials, k)


def _difference(before: Floats, after: Floats) -> Interval | None:
    return interval_of(after - before) if before.size and after.size else None
