"""Events → series, percentiles, rates. Every figure that is shown is defined here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl

from tau2tui.analysis.samples import LATENCIES, PERCENTILES, USUAL_WINDOW, Samples
from tau2tui.analysis.series import BY, DERIVED, METRICS, ORCHESTRATOR, add_derived, add_series

__all__ = [
    "BY",
    "DERIVED",
    "LATENCIES",
    "METRICS",
    "ORCHESTRATOR",
    "PERCENTILES",
    "TASK_STATUSES",
    "Histogram",
    "add_derived",
    "add_series",
    "cdf",
    "histogram",
    "latency_table",
    "series_values",
    "sla_share",
    "task_statuses",
]


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts between edges: bin i holds edges[i] ≤ x < edges[i + 1], and the last bin its upper edge too."""

    edges: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()


def latency_table(
    events: pl.DataFrame,
    sla_ms: float = 5000.0,
    metric: str = "duration_ms",
    by: Sequence[str] = (),
    every: timedelta = USUAL_WINDOW,
) -> pl.DataFrame:
    """One row of LATENCIES for each series, and for each value of `by`: what `Samples.table` says of these events.

    Raises ValueError for what is not in BY.
    """
    samples = Samples(metric, by, every)
    samples.add(events)
    return samples.table(sla_ms)


def sla_share(values: pl.Series, threshold_ms: float) -> float | None:
    """The share of values strictly below a threshold, 0–1; None for no values."""
    values = values.drop_nulls()
    return values.filter(values < threshold_ms).len() / values.len() if values.len() else None


def cdf(values: pl.Series, points: int = 200) -> tuple[tuple[float, float], ...]:
    """The empirical distribution function as (value, share of values ≤ it): all of its steps, or so many of them."""
    ordered = values.drop_nulls().cast(pl.Float64).sort().to_numpy()
    last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)) if ordered.size else np.empty(0, np.int64)
    if last.size > points:
        last = np.unique(np.append(last[:: -(-last.size // (points - 1))], last[-1]))
    return tuple(zip(ordered[last].tolist(), ((last + 1) / ordered.size).tolist(), strict=True))


def series_values(events: pl.DataFrame, series: str, metric: str = "duration_ms") -> pl.Series:
    """The known values of one series in the order of the events, milliseconds."""
    if metric in DERIVED:
        events = add_derived(events)
    return add_series(events).filter(pl.col("series") == series)[metric].drop_nulls()


def histogram(values: pl.Series, bins: int) -> Histogram:
    """Equal bins from the smallest to the largest value, as `numpy.histogram` has them; none for no values."""
    values = values.drop_nulls().cast(pl.Float64)
    low, high = values.min(), values.max()
    if not isinstance(low, float) or not isinstance(high, float):
        return Histogram()
    if low == high:
        low, high = low - 0.5, high + 0.5
    width = (high - low) / bins
    inner = [low + width * edge for edge in range(1, bins)]
    edges = (low, *inner, high)
    # The number of inner edges at or below a value is the number of its bin.
    bin_of = pl.Series(inner, dtype=pl.Float64).search_sorted(values, side="right")
    found = dict(bin_of.value_counts().iter_rows())
    return Histogram(edges, tuple(found.get(number, 0) for number in range(bins)))


TASK_STATUSES = pl.Schema(
    {
        "domain": pl.String(),
        **dict.fromkeys(("ok", "error", "skipped", "finished", "total"), pl.Int64()),
    }
)


def task_statuses(tasks: pl.DataFrame) -> pl.DataFrame:
    """Units (task × trial) of each domain by status; `total` as the newest marker of the domain says, else null.

    A unit that has several markers was run again after an error: one `ok` settles it, and `error` outweighs `skipped`.
    """
    units = tasks.group_by("domain", "trial", "task_id").agg(
        pl.col("status").eq("ok").any().alias("ok"),
        pl.col("status").eq("error").any().alias("error"),
    )
    error = pl.col("error") & ~pl.col("ok")
    counts = units.group_by("domain").agg(
        pl.col("ok").sum(),
        error.sum(),
        (~pl.col("ok") & ~pl.col("error")).sum().alias("skipped"),
        pl.len().alias("finished"),
    )
    totals = tasks.filter(pl.col("scope") == "domain").group_by("domain").agg(pl.col("total").last())
    table = counts.join(totals, on="domain", how="left").with_columns(pl.col("domain").cast(pl.String)).sort("domain")
    return table.select(TASK_STATUSES.names()).cast(TASK_STATUSES)
