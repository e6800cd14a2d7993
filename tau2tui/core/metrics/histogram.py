"""Histograms of Prometheus: cumulative counts at upper bounds, from which quantiles are interpolated."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce


@dataclass(frozen=True, slots=True)
class Quantile:
    """A quantile as far as buckets tell it, in the unit of the histogram."""

    value: float
    beyond: bool = False
    """It lies above the last bound, which is `value`: all that is known is that it is more."""
    low: float = 0.0
    """The lower bound of the bucket that it was found in; the true one lies between this and `high`."""
    high: float = math.inf


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts of observations at or below each bound. The last bound is +Inf, and its count is that of all."""

    bounds: tuple[float, ...]
    counts: tuple[float, ...]
    """Cumulative, as exposed; as long as `bounds`."""
    sum: float = 0.0

    @property
    def count(self) -> float:
        return self.counts[-1] if self.counts else 0.0

    @property
    def mean(self) -> float | None:
        """None without an observation."""
        return self.sum / self.count if self.count > 0 else None

    def quantile(self, q: float) -> Quantile | None:
        """The quantile `q` (0–1), linear within its bucket as in PromQL's histogram_quantile; None of none.

        The lowest bucket is taken to begin at 0, or at its own bound if that is not above 0.
        """
        if self.count <= 0:
            return None
        rank = q * self.count
        place = bisect_left(self.counts, rank)
        while place < len(self.counts) - 1 and self.counts[place] <= 0:
            place += 1  # q = 0: not an empty bucket below the first observation
        high, reached = self.bounds[place], self.counts[place]
        below = self.counts[place - 1] if place else 0.0
        low = self.bounds[place - 1] if place else min(0.0, high)
        if math.isinf(high):
            return Quantile(low if place else 0.0, beyond=True, low=low if place else 0.0)
        if reached <= below:
            return Quantile(high, low=low, high=high)
        return Quantile(low + (high - low) * (rank - below) / (reached - below), low=low, high=high)

    def since(self, before: Histogram | None) -> Histogram:
        """What was observed since `before`; all of it if that is None, has other bounds, or counted more than this.

        The last means that the server began to count anew.
        """
        if before is None or before.bounds != self.bounds or self.counts_less_than(before):
            return self
        counts = (now - then for now, then in zip(self.counts, before.counts, strict=True))
        return Histogram(self.bounds, _rising(counts), self.sum - before.sum)

    def counts_less_than(self, before: Histogram) -> bool:
        """Whether anything in it is less than it was: it was begun anew."""
        if before.bounds != self.bounds:
            return True
        return self.sum < before.sum or any(n < then for n, then in zip(self.counts, before.counts, strict=True))

    def __add__(self, other: Histogram) -> Histogram:
        """The observations of both, at the bounds that both have: at those the sum is exact."""
        if self.bounds == other.bounds:
            counts = tuple(a + b for a, b in zip(self.counts, other.counts, strict=True))
            return Histogram(self.bounds, counts, self.sum + other.sum)
        mine, theirs = (dict(zip(each.bounds, each.counts, strict=True)) for each in (self, other))
        bounds = tuple(bound for bound in self.bounds if bound in theirs)
        return Histogram(bounds, tuple(mine[bound] + theirs[bound] for bound in bounds), self.sum + other.sum)


def added_up(histograms: Iterable[Histogram]) -> Histogram | None:
    """The sum of all; None of none."""
    histograms = tuple(histograms)
    return reduce(lambda a, b: a + b, histograms) if histograms else None


def histogram_of(buckets: Iterable[tuple[float, float]], total: float, count: float | None) -> Histogram | None:
    """A histogram from (bound, cumulative count), in any order; None if nothing of it can be used.

    A missing +Inf bucket is made from `count`, or from the largest count; values that are no numbers are left out.
    """
    known = {bound: value for bound, value in buckets if not math.isnan(bound) and math.isfinite(value) and value >= 0}
    largest = max((*known.values(), *((count,) if count is not None and math.isfinite(count) else ())), default=None)
    if largest is None:
        return None
    known.setdefault(math.inf, largest)
    bounds = tuple(sorted(known))
    return Histogram(bounds, _rising(known[bound] for bound in bounds), total if math.isfinite(total) else 0.0)


def _rising(counts: Iterable[float]) -> tuple[float, ...]:
    """Counts that never fall from bound to bound: a scrape may see an observation at one bound, not yet at the next."""
    rising: list[float] = []
    for count in counts:
        rising.append(max(count, rising[-1]) if rising else count)
    return tuple(rising)
