"""Latencies as `tau2tui latency` answers them: JSON for programs, text for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from tau2tui.analysis.aligned import columns
from tau2tui.analysis.frames import Logs
from tau2tui.analysis.measures import cdf, histogram
from tau2tui.analysis.outcomes import add_trial
from tau2tui.analysis.samples import PERCENTILES, USUAL_WINDOW, Samples
from tau2tui.analysis.series import check_series
from tau2tui.analysis.statistics import mean_interval, percentile_interval
from tau2tui.analysis.terminal_charts import terminal_cdf, terminal_histogram
from tau2tui.analysis.wanted import Wanted
from tau2tui.core.printable import line_cut, middle_cut, one_line
from tau2tui.errors import NothingToRead

_CHART_HEIGHT = 16


@dataclass(frozen=True, slots=True)
class LatencyQuestion:
    """What is asked for."""

    metric: str
    """Column of the events."""
    called: str
    """What people call it."""
    sla_ms: float
    bins: int
    series: str | None = None
    by: tuple[str, ...] = ()
    every: timedelta = USUAL_WINDOW

    @property
    def wanted(self) -> Wanted:
        """What must be read to answer it. Raises ValueError for a breakdown that there is not."""
        return Wanted(Samples(self.metric, self.by, self.every).columns, rare=False, once=True)


def answer_json(logs: Logs, outcomes: pl.DataFrame, question: LatencyQuestion) -> dict[str, Any]:
    """All series in numbers; the chosen one (or every one) with intervals, histogram and distribution function.

    `outcomes` tell trials, if that is asked for. Raises NothingToRead.
    """
    table, samples, chosen = _measured(logs, outcomes, question)
    shown = [chosen] if question.series else list(dict.fromkeys(table["series"]))
    return {
        "metric": question.called,
        "unit": "ms",
        "sla_ms": question.sla_ms,
        "by": list(question.by),
        "rows": [_plain(row) for row in table.to_dicts()],
        "series": {name: _distribution(samples.values(name), question.bins) for name in shown},
    }


def answer_text(
    logs: Logs,
    outcomes: pl.DataFrame,
    question: LatencyQuestion,
    width: int,
    *,
    ascii_only: bool = False,
    color: bool = False,
) -> str:
    """A table of all series; then the chosen one with all percentiles, as histogram and as distribution function.

    `outcomes` tell trials, if that is asked for. Raises NothingToRead.
    """
    table, samples, chosen = _measured(logs, outcomes, question)
    parts = _table(table, question, width)
    values = samples.values(chosen)
    title = f"{chosen} {question.called}"
    parts += ["", *_percentiles(title, samples.table(question.sla_ms) if question.by else table, chosen, width)]
    looks = {"ascii_only": ascii_only, "color": color}
    parts += ["", terminal_histogram(values, title, width, _CHART_HEIGHT, question.sla_ms, question.bins, **looks)]
    parts += ["", terminal_cdf(values, title, width, _CHART_HEIGHT, question.sla_ms, **looks)]
    return "\n".join(parts)


def _measured(logs: Logs, outcomes: pl.DataFrame, question: LatencyQuestion) -> tuple[pl.DataFrame, Samples, str]:
    """The table, the values by series alone, and the series that is shown in full: never are all events in memory."""
    samples = Samples(question.metric, question.by, question.every)
    by_series = Samples(question.metric) if question.by else samples
    for part in logs.event_parts(samples.columns):
        samples.add(add_trial(part, outcomes) if "trial" in question.by else part)
        if by_series is not samples:
            by_series.add(part)
    table = samples.table(question.sla_ms)
    known = list(dict.fromkeys(table["series"]))
    if not known:
        raise NothingToRead("no call in these logs: there is no latency to show")
    if question.series is not None:
        check_series(question.series, known)
    return table, by_series, question.series or known[0]


def _distribution(values: pl.Series, bins: int) -> dict[str, Any]:
    values = values.drop_nulls().sort()
    binned = histogram(values, bins)
    known = values.to_numpy()
    return {
        "histogram": {"edges": list(binned.edges), "counts": list(binned.counts)},
        "cdf": [list(step) for step in cdf(values)],
        "mean_interval": mean_interval(known),
        "percentile_intervals": {f"p{at}": percentile_interval(known, at) for at in (50, 90, 95, 99)},
    }


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}


def _table(table: pl.DataFrame, question: LatencyQuestion, width: int) -> list[str]:
    """Milliseconds; the names are shortened until the table fits."""
    head = (*question.by, "calls", "mean", "p50", "p90", "p95", "p99", "max", f"<{question.sla_ms / 1000:g}s")
    figures = ("mean", "p50", "p90", "p95", "p99", "max")
    rows = [
        (
            *("–" if row[name] is None else line_cut(str(row[name]), 19) for name in question.by),
            *(f"{row['count']}", *(_figure(row[name]) for name in figures)),
            "–" if row["under_sla"] is None else f"{row['under_sla'] * 100:.1f}%",
        )
        for row in table.iter_rows(named=True)
    ]
    body = columns([("", *head), *(("", *row) for row in rows)])
    room = max(width - max(map(len, body)), 12)
    names = [middle_cut(one_line(name), room) for name in (f"{question.called}, ms", *table["series"])]
    return columns([(name, *cells) for name, cells in zip(names, [head, *rows], strict=True)])


def _percentiles(title: str, table: pl.DataFrame, series: str, width: int) -> list[str]:
    row = table.row(by_predicate=pl.col("series") == series, named=True)
    names = ("count", "mean", "std", "min", *(f"p{share}" for share in PERCENTILES), "max")
    cells = [f"{name} {_figure(row[name])}" for name in names]
    wide = max(map(len, cells)) + 2
    each = max(width // wide, 1)
    lines = ["".join(cell.ljust(wide) for cell in cells[at : at + each]).rstrip() for at in range(0, len(cells), each)]
    return [line_cut(f"{title}, ms", width), *lines]


def _figure(value: float | int | None) -> str:
    if value is None:
        return "–"
    return f"{value}" if isinstance(value, int) else f"{value:.0f}" if value >= 100 else f"{value:.2f}"
