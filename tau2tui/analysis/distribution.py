"""What a latency picture shows, in exact numbers and whatever it is drawn with: axis, bins, shares, density over time.

Imports Polars: it is imported in the thread that reads and draws.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from tau2tui.analysis.drawing import round_ticks
from tau2tui.analysis.latency_question import LEAST_SPAN_MS

_WIDENED = 1.05
"""Room behind the line of the threshold."""
LEAST_WIDTH, LEAST_HEIGHT = 30, 5
"""Cells of a terminal; what is smaller has no room for a picture."""
LABEL_WIDTH = 7
"""Columns for the latencies beside a heat-map."""
_CALLS_PER_COLUMN = 12
_FEWEST_COLUMNS = 12


@dataclass(frozen=True, slots=True)
class Axis:
    """The axis of latencies: linear, or logarithmic. Milliseconds."""

    low: float
    high: float
    log: bool

    def place(self, value_ms: float) -> float:
        """Where a value stands on the axis: milliseconds, or their decimal logarithm."""
        return math.log10(value_ms) if self.log else value_ms

    def value(self, place: float) -> float:
        """What stands at a place, milliseconds."""
        return 10.0**place if self.log else place

    @property
    def left(self) -> float:
        return self.place(self.low)

    @property
    def right(self) -> float:
        return self.place(self.high)

    def ticks(self, at_most: int) -> list[float]:
        """Round milliseconds."""
        if not self.log:
            return round_ticks(self.low, self.high, at_most)
        powers = range(math.floor(self.left), math.ceil(self.right) + 1)
        digits = (1, 2, 5) if 3 * (self.right - self.left) <= at_most else (1,)
        values = [digit * 10.0**power for power in powers for digit in digits]
        found = [value for value in values if self.low <= value <= self.high]
        # Deep inside a decade there may be none: then round ones of a linear axis, which still say where one is.
        return found if len(found) > 1 else [tick for tick in round_ticks(self.low, self.high, at_most) if tick]


@dataclass(frozen=True, slots=True)
class Bins:
    """Counts of one sample: bin i holds edges[i] ≤ x < edges[i + 1], and the last bin its upper edge too."""

    counts: tuple[int, ...]
    below: int
    """Values to the left of the first edge."""
    beyond: int
    """Values to the right of the last one."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An axis, and how one or two samples lie on it. Milliseconds."""

    axis: Axis
    edges: tuple[float, ...]
    bins: tuple[Bins, ...]
    """One for each sample."""


@dataclass(frozen=True, slots=True)
class HeatMap:
    """How many calls of one sample lie in each stretch of time and of latency."""

    times: tuple[datetime, ...]
    """Edges."""
    edges: tuple[float, ...]
    """Edges, milliseconds."""
    counts: tuple[tuple[int, ...], ...]
    """By stretch of latency, the fastest first, and then by stretch of time."""
    left_out: int
    """Calls that lie outside the edges."""
    timeless: int
    """Calls without a time."""


def picture(
    samples: Sequence[pl.Series], sla_ms: float, bins: int, *, log: bool, zoom: tuple[float, float] | None = None
) -> Picture | None:
    """Bin samples (milliseconds) on an axis that suits them all; None if there is nothing to show on it.

    Latencies have heavy tails: a linear axis ends at the 99.5th percentile, or at twice the 95th if that is less. One
    call that hung for minutes would push all others into the first bar. A logarithmic axis shows everything; with
    `zoom` the axis is that.
    """
    extent = zoom or _extent(samples, log)
    if extent is None:
        return None
    low, high = extent
    if log and low <= 0:
        low = min(_least_positive(samples) or high / 1000, high / 10)
    if high - low < max(LEAST_SPAN_MS, 1e-9 * high):
        low, high = (low / 2, high * 2) if log else (low - 0.5, high + 0.5)
    edges = even_edges(low, high, bins, log=log)
    left, right = low, high
    if zoom is None:
        left = low if log else min(low, 0.0)
        right = sla_ms * _WIDENED if right < sla_ms < 2 * right else right
    found = tuple(binned(values, edges, zeros_first=log and zoom is None) for values in samples)
    return Picture(Axis(left, right, log), edges, found)


def even_edges(low: float, high: float, bins: int, *, log: bool) -> tuple[float, ...]:
    """So many bins of equal width on the axis."""
    width = (high - low) / bins
    inner = [low * (high / low) ** (edge / bins) if log else low + width * edge for edge in range(1, bins)]
    return (low, *inner, high)


def binned(values: pl.Series, edges: Sequence[float], *, zeros_first: bool = False) -> Bins:
    """Count values between edges, as `numpy.histogram` does, and those outside.

    With `zeros_first` what is not positive counts in the first bin: a logarithmic axis has no place of its own for it.
    """
    array = values.drop_nulls().cast(pl.Float64).to_numpy()
    zeros = int((array <= 0).sum()) if zeros_first else 0
    if zeros_first:
        array = array[array > 0]
    counts = np.histogram(array, bins=np.asarray(edges))[0].tolist()
    counts[0] += zeros
    return Bins(tuple(counts), int((array < edges[0]).sum()), int((array > edges[-1]).sum()))


def shares_up_to(values: pl.Series, places: Sequence[float]) -> list[float]:
    """The empirical distribution function at these places: the share of values ≤ each of them, 0–1."""
    ordered = np.sort(values.drop_nulls().cast(pl.Float64).to_numpy())
    found: list[float] = (np.searchsorted(ordered, np.asarray(places), side="right") / max(1, len(ordered))).tolist()
    return found


def heat_size(width: int, height: int, calls: int) -> tuple[int, int]:
    """How many stretches of time and of latency a heat-map of so many cells has; (0, 0) if that is too small.

    A few calls get wider stretches of time: dots all over a screen show no pattern.
    """
    if width < LEAST_WIDTH or height < LEAST_HEIGHT:
        return 0, 0
    room = width - LABEL_WIDTH - 1
    each = max(1, room // max(_FEWEST_COLUMNS, calls // _CALLS_PER_COLUMN))
    return room // each, height - 2


def heat_map(
    calls: pl.DataFrame,
    edges: Sequence[float],
    columns: int,
    begin: datetime | None = None,
    end: datetime | None = None,
) -> HeatMap | None:
    """Count calls (`at`, `value` in milliseconds) by time and latency; None if none of them has a time.

    Time is cut into so many equal stretches, from `begin` to `end` or from the first call to the last.
    """
    timed = calls.filter(pl.col("at").is_not_null() & pl.col("value").is_not_null())
    first, last = timed["at"].min(), timed["at"].max()
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        return None
    begin, end = begin or first, end or last
    if end <= begin:
        end = begin + timedelta(seconds=1)
    seconds = (timed["at"] - begin).dt.total_milliseconds().to_numpy() / 1000
    length = (end - begin).total_seconds()
    offsets = np.linspace(0.0, length, columns + 1)
    counts = np.histogram2d(timed["value"].to_numpy(), seconds, bins=(np.asarray(edges), offsets))[0].astype(int)
    return HeatMap(
        times=tuple(begin + timedelta(seconds=offset) for offset in offsets.tolist()),
        edges=tuple(edges),
        counts=tuple(map(tuple, counts.tolist())),
        left_out=timed.height - int(counts.sum()),
        timeless=calls.filter(pl.col("value").is_not_null()).height - timed.height,
    )


def _extent(samples: Sequence[pl.Series], log: bool) -> tuple[float, float] | None:
    """From the smallest to the largest value that is drawn."""
    known = [values.drop_nulls().cast(pl.Float64) for values in samples]
    if log:
        known = [values.filter(values > 0) for values in known]
    known = [values for values in known if len(values)]
    if not known:
        return None
    longest = max(float(values.max()) for values in known)  # type: ignore[arg-type]
    if not log:
        limit = max(min(_quantile(values, 0.995), 2 * _quantile(values, 0.95)) for values in known)
        if longest > 1.5 * limit:
            known = [values.filter(values <= limit) for values in known]
            known = [values for values in known if len(values)]
    smallest = [float(values.min()) for values in known]  # type: ignore[arg-type]
    largest = [float(values.max()) for values in known]  # type: ignore[arg-type]
    return min(smallest), max(largest)


def _least_positive(samples: Sequence[pl.Series]) -> float | None:
    found = [float(least) for values in samples if isinstance(least := values.filter(values > 0).min(), float)]
    return min(found, default=None)


def _quantile(values: pl.Series, share: float) -> float:
    found = values.quantile(share, "linear")
    assert found is not None  # there is at least one value
    return found
