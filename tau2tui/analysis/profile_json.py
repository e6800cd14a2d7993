"""`profile_analysis.json`: latencies by series, in the shape that other tools read."""

from __future__ import annotations

import itertools
from typing import Any

import polars as pl

from tau2tui.analysis.measures import METRICS, PERCENTILES, add_series, histogram, latency_table, series_values

SLA_MS = 5000.0
"""What `under_5s_pct` means, whatever the service level of a run is."""
_BINS = 10
_STATISTICS = ("mean", "std", "min", "max", *(f"p{share}" for share in PERCENTILES))


def profile_analysis(events: pl.DataFrame) -> dict[str, dict[str, Any]]:
    """By series: `stats`, `prefill_stats`, `decode_stats` (milliseconds; `under_5s_pct` in per cent), `histogram`."""
    events = add_series(events)
    tables = {metric: _rows(latency_table(events, SLA_MS, metric)) for metric in METRICS}
    return {
        series: {
            "stats": _statistics(row),
            "histogram": _histogram(series_values(events, series)),
            "prefill_stats": _statistics(tables["prefill_ms"][series]),
            "decode_stats": _statistics(tables["decode_ms"][series]),
            "mean_input_tokens": row["mean_input_tokens"],
            "mean_output_tokens": row["mean_output_tokens"],
            "tokens_per_s": row["tokens_per_s"],
        }
        for series, row in tables["duration_ms"].items()
    }


def _rows(table: pl.DataFrame) -> dict[str, dict[str, Any]]:
    return {row["series"]: row for row in table.iter_rows(named=True)}


def _statistics(row: dict[str, Any]) -> dict[str, float | int]:
    if not row["count"]:
        return {"count": 0}
    return {
        "count": row["count"],
        **{name: row[name] for name in _STATISTICS},
        "under_5s_pct": row["under_sla"] * 100,
    }


def _histogram(values: pl.Series) -> dict[str, list[Any]]:
    binned = histogram(values, _BINS)
    ends = list(itertools.pairwise(binned.edges))
    # Bins of a local tool are narrower than a millisecond: as many decimals as tell them apart.
    decimals = 0 if ends and ends[0][1] - ends[0][0] >= 1 else 3
    labels = [f"{left:.{decimals}f}-{right:.{decimals}f}" for left, right in ends]
    return {"bins": labels, "counts": list(binned.counts), "edges": list(binned.edges)}
