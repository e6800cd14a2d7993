"""The latencies in logs that grow: read, summed up and drawn in one thread, away from the event loop."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tau2tui.errors import NothingToRead
from tau2tui.tui.format import latency, percent, threshold, whole
from tau2tui.tui.latency_question import Question
from tau2tui.tui.latency_source import LatencyRow, LatencySource

if TYPE_CHECKING:
    import polars as pl

    from tau2tui.tui.chart import Line
    from tau2tui.tui.distribution import HeatMap, Picture


@dataclass(frozen=True, slots=True)
class Other:
    """Logs of another run, to be laid over this one's."""

    name: str
    path: Path
    """A directory or a file on this machine."""


@dataclass(frozen=True, slots=True)
class Legend:
    """One of the one or two samples that are drawn."""

    row: LatencyRow
    """Its numbers, of the calls that the question is about."""
    run: str = ""
    """The run that it is of, if that is not this one."""
    says: str = ""
    """How many there are, and what the picture leaves out."""


@dataclass(frozen=True, slots=True)
class Answer:
    """All series in numbers, one or two of them as a picture."""

    question: Question
    rows: tuple[LatencyRow, ...] = ()
    legends: tuple[Legend, ...] = ()
    chart: tuple[Line, ...] = ()
    note: str = ""
    """What else there is to say of the picture."""
    axis: tuple[float, float] | None = None
    """Where it begins and ends, milliseconds."""
    domains: tuple[str, ...] = ()
    span: tuple[datetime, datetime] | None = None
    """The stretch of time of the calls; of all of them, or the window's."""
    skipped: int = 0
    """Lines that look like a record and could not be read."""
    incidents: tuple[str, ...] = ()
    """What happened to the logs while they were followed: rotated, truncated, replaced."""

    @property
    def series(self) -> str:
        """The series that is drawn; empty without calls."""
        return self.legends[0].row.series if self.legends else ""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """The calls of one series that the question is about."""

    legend: Legend
    calls: pl.DataFrame
    """`at`, and `value` in milliseconds, none of them null."""


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """What is drawn, in numbers."""

    question: Question
    samples: tuple[Sample, ...] = ()
    picture: Picture | None = None
    heat: HeatMap | None = None


class Latencies:
    """Follows the logs in a directory. What it does blocks, so it is called in a thread; a second call waits."""

    def __init__(self, error_patterns: Mapping[str, str] | None = None) -> None:
        self._patterns = error_patterns
        self._lock = threading.Lock()
        self._sources: dict[str, LatencySource] = {}
        self._answered: tuple[Question, Other | None, Answer] | None = None

    def answer(self, directory: Path, question: Question, other: Other | None = None) -> Answer:
        """Read what is new, and answer. Raises NothingToRead for a log that is there and cannot be read."""
        with self._lock:
            source, second, new = self._read(directory, other)
            last = self._answered
            if last and not new and last[:2] == (question, other):
                return last[2]
            found = _answer(source, second, question, other)
            self._answered = (question, other, found)
            return found

    def figures(self, directory: Path, question: Question, other: Other | None = None) -> Figures:
        """What is drawn, in numbers: for a file. Raises NothingToRead."""
        with self._lock:
            source, second, _ = self._read(directory, other)
            return _figures(source, second, question, other)

    def _read(self, directory: Path, other: Other | None) -> tuple[LatencySource, LatencySource | None, bool]:
        source, new = self._source("this", directory)
        if other is None:
            return source, None, new
        second, also_new = self._source("other", other.path)
        return source, second, new or also_new

    def _source(self, name: str, path: Path) -> tuple[LatencySource, bool]:
        known = self._sources.get(name)
        if known is None or known.path != path:
            known = self._sources[name] = LatencySource(path, self._patterns)
        return known, known.poll()


def figures_of(events: pl.DataFrame, question: Question) -> Figures:
    """What would be drawn of events that were read already, in numbers: for a file that a word writes.

    Raises NothingToRead for a series that there is not.
    """
    source = LatencySource.of(events)
    known = [row.series for row in source.rows(question)]
    if question.series and question.series not in known:
        raise NothingToRead(f"no series {question.series!r} in these logs", f"there are {', '.join(known[:12])}")
    return _figures(source, None, question, None)


def _answer(source: LatencySource, second: LatencySource | None, question: Question, other: Other | None) -> Answer:
    import polars as pl

    from tau2tui.tui.chart import cdf_chart, heat_chart, histogram_chart, shade_legend

    rows = source.rows(question)
    if source.events is None or not rows:
        return Answer(question, skipped=source.skipped)
    figures = _figures(source, second, question, other)
    answer = Answer(
        question,
        rows,
        tuple(sample.legend for sample in figures.samples),
        domains=tuple(name for name in source.events["domain"].unique().cast(pl.String).drop_nulls().sort() if name),
        span=_span(source, question),
        skipped=source.skipped,
        incidents=source.incidents,
    )
    drawn, heat = figures.picture, figures.heat
    values = [sample.calls["value"] for sample in figures.samples]
    if drawn is None:
        return replace(answer, note="nothing to draw")
    size = (question.width, question.height)
    if question.picture == "heat-map":
        chart = heat_chart(heat, question.sla_ms, question.width) if heat else ()
        note = (
            _heat_note(figures, shade_legend(heat)) if heat else "no call here has a time, or there is too little room"
        )
    elif question.picture == "cdf":
        chart, note = cdf_chart(drawn, values, question.sla_ms, *size), ""
    else:
        chart, note = histogram_chart(drawn, [len(one) for one in values], question.sla_ms, *size), ""
    return replace(answer, chart=chart, note=note, axis=(drawn.axis.low, drawn.axis.high))


def _figures(source: LatencySource, second: LatencySource | None, question: Question, other: Other | None) -> Figures:
    from tau2tui.tui.chart import heat_size
    from tau2tui.tui.distribution import even_edges, heat_map, picture

    rows = source.rows(question)
    if not rows:
        return Figures(question)
    series = next((row.series for row in rows if row.series == question.series), rows[0].series)
    samples = [_sample(source, question, series, "")]
    if second is not None and other is not None:
        samples.append(_sample(second, question, question.other or series, other.name))
    elif question.other and question.other != series:
        samples.append(_sample(source, question, question.other, ""))
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
        heat = heat_map(samples[0].calls, edges, columns, *source.bounds(question))
    samples = [
        replace(sample, legend=replace(sample.legend, says=_says(sample, bins.below, bins.beyond, question)))
        for sample, bins in zip(samples, drawn.bins, strict=True)
    ]
    return Figures(question, tuple(samples), drawn, heat)


def _sample(source: LatencySource, question: Question, series: str, run: str) -> Sample:
    """The calls of one series; its legend says so if there are none."""
    import polars as pl

    from tau2tui.analysis.measures import add_derived

    row = next((row for row in source.rows(question) if row.series == series), LatencyRow(series, 0))
    events = source.selected(question)
    if events is None:
        calls = pl.DataFrame(schema={"at": pl.Datetime("ms"), "value": pl.Float64})
    else:
        calls = add_derived(events.filter(pl.col("series") == series)).select(
            "at", value=pl.col(question.metric).cast(pl.Float64)
        )
    known = calls.filter(pl.col("value").is_not_null())
    return Sample(Legend(row, run, _no_calls(calls, question) if known.is_empty() else ""), known)


def _no_calls(calls: pl.DataFrame, question: Question) -> str:
    narrowed = question.domain or not question.window.whole
    if not calls.is_empty():
        return "no call has this figure"
    return "no call in this domain and window" if narrowed else "no call"


def _says(sample: Sample, below: int, beyond: int, question: Question) -> str:
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


def _heat_note(figures: Figures, legend: str) -> str:
    heat = figures.heat
    assert heat is not None
    column_s = (heat.times[1] - heat.times[0]).total_seconds()
    from tau2tui.tui.chart import CROSSED

    sla_ms = figures.question.sla_ms
    parts = [f"{legend} calls", f"a column is {column_s:.3g} s"]
    if heat.edges[0] <= sla_ms < heat.edges[-1]:
        parts.append(f"{CROSSED} {threshold(sla_ms)}")
    if heat.timeless:
        parts.append(f"{whole(heat.timeless)} without a time")
    if len(figures.samples) > 1:
        parts.append("only the first of the two")
    return " · ".join(parts)


def _span(source: LatencySource, question: Question) -> tuple[datetime, datetime] | None:
    assert source.events is not None
    first, newest = source.events["at"].min(), source.newest()
    if not isinstance(first, datetime) or newest is None:
        return None
    begin, end = source.bounds(question)
    return begin or first, end or newest
