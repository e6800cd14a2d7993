"""What a latency histogram shows, whatever it is drawn with."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import polars as pl

from tau2tui.analysis.measures import Histogram, histogram

MARKED = (50, 90, 99)
"""The percentiles that charts show."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """The bulk of a series on a linear axis, and in numbers what lies beyond it; all in units of the axis."""

    shown: Histogram
    unit: str
    """`s` or `ms`."""
    per_unit: float
    """Milliseconds of one unit."""
    percentiles: tuple[tuple[int, float], ...]
    """MARKED and their values, of all calls."""
    count: int
    beyond: int
    """Calls that took longer than the axis reaches."""
    longest: float
    sla: float
    under_sla: float
    """Share of all calls strictly below the threshold, 0–1."""

    @property
    def left(self) -> float:
        """The left end of the axis: 0, unless that would leave half of it empty."""
        first, last = self.shown.edges[0], self.shown.edges[-1]
        return 0.0 if first < last / 2 else first

    @property
    def right(self) -> float:
        """The right end of the axis: room for the SLA line where that is not far away."""
        end = self.shown.edges[-1]
        return max(end, self.sla * 1.05) if self.sla < 2 * end else end

    @property
    def sla_in_sight(self) -> bool:
        return self.left <= self.sla <= self.right

    @property
    def threshold(self) -> str:
        milliseconds = self.sla * self.per_unit
        return f"{milliseconds / 1000:g} s" if milliseconds >= 1000 else f"{milliseconds:g} ms"

    @property
    def headline(self) -> str:
        calls = "1 call" if self.count == 1 else f"{self.count} calls"
        return f"{calls}, {self.under_sla * 100:.1f} % under {self.threshold}"

    @property
    def tail(self) -> str:
        """What the axis leaves out; empty if that is nothing."""
        return f"{self.beyond} beyond, longest {number(self.longest)} {self.unit}" if self.beyond else ""


def draw(values: pl.Series, sla_ms: float, bins: int) -> Drawing | None:
    """Bin the values of a series (milliseconds); None if there are none.

    Latencies have heavy tails: where the longest is far beyond the bulk, the axis ends at the 99.5th percentile, or at
    twice the 95th if that is less. A call in a hundred that hung for minutes would push all others into one bar.
    """
    values = values.drop_nulls().cast(pl.Float64)
    longest = values.max()
    if not isinstance(longest, float):
        return None
    clip = min(_percentile(values, 99.5), 2 * _percentile(values, 95))
    limit = clip if longest > 1.5 * clip > 0 else longest
    unit, per_unit = ("s", 1000.0) if limit >= 2000 else ("ms", 1.0)
    bulk = values.filter(values <= limit)
    return Drawing(
        shown=histogram(bulk / per_unit, bins),
        unit=unit,
        per_unit=per_unit,
        percentiles=tuple((percentile, _percentile(values, percentile) / per_unit) for percentile in MARKED),
        count=values.len(),
        beyond=values.len() - bulk.len(),
        longest=longest / per_unit,
        sla=sla_ms / per_unit,
        under_sla=values.filter(values < sla_ms).len() / values.len(),
    )


def round_ticks(low: float, high: float, at_most: int, least: float = 0.0) -> list[float]:
    """Multiples of 1, 2 or 5 × 10ⁿ between two values, at most so many steps, none below `least` apart."""
    if high <= low:
        return [low]
    power = math.floor(math.log10((high - low) / at_most))
    steps = (digit * 10.0**exponent for exponent in itertools.count(power) for digit in (1, 2, 5))
    step = next(step for step in steps if (high - low) / step <= at_most and step >= least)
    return [number * step for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def number(value: float) -> str:
    """A latency as charts write it."""
    return f"{value:.1f}" if value < 1000 else f"{value:.0f}"


def _percentile(values: pl.Series, percentile: float) -> float:
    value = values.quantile(percentile / 100, "linear")
    assert value is not None  # there is at least one value
    return value
