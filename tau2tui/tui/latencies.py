"""The latencies in logs that grow: read, summed up and drawn in one thread, away from the event loop."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tau2tui.analysis.latency_question import PictureQuestion
from tau2tui.analysis.latency_row import LatencyRow, Legend
from tau2tui.tui.format import threshold, whole

if TYPE_CHECKING:
    from tau2tui.analysis.latency_figures import Figures, LatencyCalls
    from tau2tui.tui.chart import Line
    from tau2tui.tui.latency_source import LatencySource


@dataclass(frozen=True, slots=True)
class Other:
    """Logs of another run, to be laid over this one's."""

    name: str
    path: Path
    """A directory or a file on this machine."""


@dataclass(frozen=True, slots=True)
class Answer:
    """All series in numbers, one or two of them as a picture."""

    question: PictureQuestion
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


class Latencies:
    """Follows the logs in a directory. What it does blocks, so it is called in a thread; a second call waits."""

    def __init__(self, error_patterns: Mapping[str, str] | None = None) -> None:
        self._patterns = error_patterns
        self._lock = threading.Lock()
        self._sources: dict[str, LatencySource] = {}
        self._answered: tuple[PictureQuestion, Other | None, Answer] | None = None

    def answer(self, directory: Path, question: PictureQuestion, other: Other | None = None) -> Answer:
        """Read what is new, and answer. Raises NothingToRead for a log that is there and cannot be read."""
        with self._lock:
            source, second, new = self._read(directory, other)
            last = self._answered
            if last and not new and last[:2] == (question, other):
                return last[2]
            found = _answer(source, question, _figures(source, question, second, other))
            self._answered = (question, other, found)
            return found

    def figures(self, directory: Path, question: PictureQuestion, other: Other | None = None) -> Figures:
        """What is drawn, in numbers: for a file. Raises NothingToRead."""
        with self._lock:
            source, second, _ = self._read(directory, other)
            return _figures(source, question, second, other)

    def _read(self, directory: Path, other: Other | None) -> tuple[LatencySource, LatencySource | None, bool]:
        source, new = self._source("this", directory)
        if other is None:
            return source, None, new
        second, also_new = self._source("other", other.path)
        return source, second, new or also_new

    def _source(self, name: str, path: Path) -> tuple[LatencySource, bool]:
        from tau2tui.tui.latency_source import LatencySource

        known = self._sources.get(name)
        if known is None or known.path != path:
            known = self._sources[name] = LatencySource(path, self._patterns)
        return known, known.poll()


def _figures(
    source: LatencySource, question: PictureQuestion, second: LatencySource | None, other: Other | None
) -> Figures:
    from tau2tui.analysis.latency_figures import figures_of

    return figures_of(source.calls, question, second.calls if second else None, other.name if other else "")


def _answer(source: LatencySource, question: PictureQuestion, figures: Figures) -> Answer:
    import polars as pl

    calls = source.calls
    answer = Answer(
        question,
        calls.rows(question),
        tuple(sample.legend for sample in figures.samples),
        domains=tuple(name for name in calls.events["domain"].unique().cast(pl.String).drop_nulls().sort() if name),
        span=_span(calls, question),
        skipped=source.skipped,
        incidents=source.incidents,
    )
    return _drawn(answer, figures) if answer.rows else answer


def _drawn(answer: Answer, figures: Figures) -> Answer:
    """The answer with its picture."""
    from tau2tui.tui.chart import cdf_chart, heat_chart, histogram_chart

    question, drawn, heat = figures.question, figures.picture, figures.heat
    if drawn is None:
        return replace(answer, note="nothing to draw")
    values = [sample.calls["value"] for sample in figures.samples]
    size, note = (question.width, question.height), ""
    if question.picture == "heat-map":
        chart = heat_chart(heat, question.sla_ms, question.width) if heat else ()
        note = _heat_note(figures)
    elif question.picture == "cdf":
        chart = cdf_chart(drawn, values, question.sla_ms, *size)
    else:
        chart = histogram_chart(drawn, [len(one) for one in values], question.sla_ms, *size)
    return replace(answer, chart=chart, note=note, axis=(drawn.axis.low, drawn.axis.high))


def _heat_note(figures: Figures) -> str:
    from tau2tui.tui.chart import CROSSED, shade_legend

    heat = figures.heat
    if heat is None:
        return "no call here has a time, or there is too little room"
    column_s = (heat.times[1] - heat.times[0]).total_seconds()
    sla_ms = figures.question.sla_ms
    parts = [f"{shade_legend(heat)} calls", f"a column is {column_s:.3g} s"]
    if heat.edges[0] <= sla_ms < heat.edges[-1]:
        parts.append(f"{CROSSED} {threshold(sla_ms)}")
    if heat.timeless:
        parts.append(f"{whole(heat.timeless)} without a time")
    if len(figures.samples) > 1:
        parts.append("only the first of the two")
    return " · ".join(parts)


def _span(calls: LatencyCalls, question: PictureQuestion) -> tuple[datetime, datetime] | None:
    first = calls.events["at"].min()
    if not isinstance(first, datetime) or calls.newest is None:
        return None
    begin, end = calls.bounds(question)
    return begin or first, end or calls.newest
