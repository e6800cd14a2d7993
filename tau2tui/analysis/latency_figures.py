"""The calls that a latency picture is about, in numbers: what a screen draws and what goes into a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

import polars as pl

from tau2tui.analysis.distribution import HeatMap, Picture, even_edges, heat_map, heat_size, picture
from tau2tui.analysis.latency_question import PictureQuestion
from tau2tui.analysis.latency_row import LatencyRow, Legend
from tau2tui.analysis.measures import add_derived, add_series, latency_table
from tau2tui.analysis.narrowing import calls_in
from tau2tui.core.quantities import latency, percent, threshold, whole


class LatencyCalls:
    """The events of one heap of logs, narrowed to a domain and a window, and their tables of latencies."""

    def __init__(self, events: pl.DataFrame) -> None:
        self.events = add_series(events)
        newest = self.events["at"].max()
        self.newest = newest if isinstance(newest, datetime) else None
        """The time of the newest record that has one."""
        self._tables: dict[tuple[object, ...], tuple[LatencyRow, ...]] = {}

    def bounds(self, question: PictureQuestion) -> tuple[datetime | None, datetime | None]:
        """Where the window begins and ends in these logs."""
        return question.window.bounds(self.newest) if self.newest else (None, None)

    def rows(self, question: PictureQuestion) -> tuple[LatencyRow, ...]:
        """A row for each series, also for one that has no call in the domain or the window."""
        key = (question.metric, question.domain, question.window, question.sla_ms)
        if key not in self._tables:
            table = latency_table(self._selected(question), question.sla_ms, question.metric)
            found = {row["series"]: _row(row) for row in table.iter_rows(named=True)}
            every = self.events["series"].unique(maintain_order=True).drop_nulls()
            missing = (LatencyRow(name, 0) for name in every if name not in found)
            self._tables[key] = (*found.values(), *missing)
        return self._tables[key]

    def sample(self, question: PictureQuestion, series: str, run: str = "") -> Sample:
        """The calls of one series; its legend says so if there are none."""
        row = next((row for row in self.rows(question) if row.series == series), LatencyRow(series, 0))
        events = self._selected(question).filter(pl.col("series") == series)
        calls = add_derived(events).select("at", value=pl.col(question.metric).cast(pl.Float64))
        known = calls.filter(pl.col("value").is_not_null())
        return Sample(Legend(row, run, _no_calls(calls, question) if known.is_empty() else ""), known)

    def _selected(self, question: PictureQuestion) -> pl.DataFrame:
        return self.events.filter(calls_in(question.domain, question.window, self.newest))


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """The calls of one series that the question is about."""

    legend: Legend
    calls: pl.DataFrame
    """`at`, and `value` in milliseconds, none of them null."""


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """What is drawn, in numbers."""

    question: PictureQuestion
    samples: tuple[Sample, ...] = ()
    picture: Picture | None = None
    heat: HeatMap | None = None


def figures_of(
    calls: LatencyCalls, question: PictureQuestion, other: LatencyCalls | None = None, run: str = ""
) -> Figures:
    """What is drawn of these calls, and over them of an `other` run that is called so."""
    rows = calls.rows(question)
    if not rows:
        return Figures(question)
    series = next((row.series for row in rows if row.series == question.series), rows[0].series)
    samples = [calls.sample(question, series)]
    if other is not None:
        samples.append(other.sample(question, question.other or series, run))
    elif question.other and question.other != series:
        samples.append(calls.sample(question, question.other))
    drawn = picture(
        [sample.calls["value"] for sample in samples],
        question.sla_ms,
        question.bins,
        log=question.log,
        zoom=question.zoom,
    )
    if drawn is None:
        return Figures(question, tuple(samples))
    heat = None
    columns, buckets = heat_size(question.width, question.height, len(samples[0].calls))
    if question.picture == "heat-map" and columns:
        edges = even_edges(drawn.axis.low, drawn.axis.high, buckets, log=question.log)
        heat = heat_map(samples[0].calls, edges, columns, *calls.bounds(question))
    samples = [
        replace(sample, legend=replace(sample.legend, says=_says(sample, bins.below, bins.beyond, question)))
        for sample, bins in zip(samples, drawn.bins, strict=True)
    ]
    return Figures(question, tuple(samples), drawn, heat)


def _row(record: Mapping[str, Any]) -> LatencyRow:
    return LatencyRow(**{one.name: record[one.name] for one in fields(LatencyRow)})


def _no_calls(calls: pl.DataFrame, question: PictureQuestion) -> str:
    narrowed = question.domain or not question.window.whole
    if not calls.is_empty():
        return "no call has this figure"
    return "no call in this domain and window" if narrowed else "no call"


def _says(sample: Sample, below: int, beyond: int, question: PictureQuestion) -> str:
    """What the picture shows of a sample, in words and numbers."""
    if sample.calls.is_empty():
        return sample.legend.says
    row, values = sample.legend.row, sample.calls["value"]
    calls = "1 call" if row.count == 1 else f"{whole(row.count)} calls"
    parts = [calls, f"{percent(row.under_sla, 1)} below {threshold(question.sla_ms)}"]
    if below:
        parts.append(f"{whole(below)} before the axis")
    if beyond:
        longest = values.max()
        assert isinstance(longest, float)
        parts.append(f"{whole(beyond)} beyond the axis, longest {latency(longest)}")
    return " · ".join(parts)
