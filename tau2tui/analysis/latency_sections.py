"""The parts of a report about latencies."""

from __future__ import annotations

import polars as pl

from tau2tui.analysis.measures import PERCENTILES, add_series, latency_table, series_values
from tau2tui.analysis.sections import Section, between, fixed, percent
from tau2tui.analysis.statistics import mean_interval, percentile_interval


def latency_sections(events: pl.DataFrame, sla_ms: float) -> list[Section]:
    """All percentiles, how certain they are, and the models by domain."""
    events = add_series(events)
    table = latency_table(events, sla_ms)
    models = table.filter(~pl.col("series").str.starts_with("tool:"))
    intervals = []
    for row in models.iter_rows(named=True):
        values = series_values(events, row["series"]).to_numpy()
        found = [(row["mean"], mean_interval(values))]
        found += [(row[f"p{at}"], percentile_interval(values, at)) for at in (50, 95, 99)]
        intervals.append(
            (row["series"], *(cell for value, range_ in found for cell in (fixed(value), between(range_, fixed))))
        )
    by_domain = latency_table(events.filter(pl.col("type") != "tool_call"), sla_ms, by=("domain",))
    return [
        Section(
            "All percentiles",
            "Milliseconds, exact, by linear interpolation.",
            ("series", *(f"p{share}" for share in PERCENTILES)),
            tuple((row["series"], *(fixed(row[f"p{share}"]) for share in PERCENTILES)) for row in table.to_dicts()),
        ),
        Section(
            "How certain they are",
            "Milliseconds, with bootstrap intervals of 95 %: calls are resampled one by one, as if independent.",
            ("series", "mean", "95 %", "p50", "95 %", "p95", "95 %", "p99", "95 %"),
            tuple(intervals),
        ),
        Section(
            "Latency by domain",
            "Milliseconds.",
            ("series", "domain", "calls", "mean", "p50", "p90", "p95", "p99", "max", f"< {sla_ms / 1000:g} s"),
            tuple(
                (
                    *(row["series"], row["domain"], row["count"]),
                    *(fixed(row[name]) for name in ("mean", "p50", "p90", "p95", "p99", "max")),
                    percent(row["under_sla"]),
                )
                for row in by_domain.to_dicts()
            ),
            text=2,
        ),
    ]
