"""The latencies in logs that grow: read, summed up and drawn in one thread, away from the event loop."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

if TYPE_CHECKING:
    import polars as pl

    from tau2tui.analysis.tail import LogTail

METRICS = {"duration_ms": "total", "prefill_ms": "prefill", "decode_ms": "decode"}
"""Column of the events → what the screen calls it."""
BINS = (10, 20, 40, 80)


@dataclass(frozen=True, slots=True)
class Question:
    """What the screen wants to see."""

    series: str = ""
    """The series that is drawn; empty or unknown: the first."""
    metric: str = "duration_ms"
    bins: int = 40
    log: bool = False
    width: int = 78
    height: int = 10


@dataclass(frozen=True, slots=True)
class LatencyRow:
    """One series: milliseconds, and a share (0–1); None for a series without the figure."""

    series: str
    count: int
    mean: float | None
    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    max: float | None
    under_sla: float | None


@dataclass(frozen=True, slots=True)
class Answer:
    """All series in numbers, one of them as a picture."""

    question: Question
    rows: tuple[LatencyRow, ...] = ()
    series: str = ""
    chart: Text = field(default_factory=Text)
    caption: str = ""
    skipped: int = 0
    """Lines that look like a record and could not be read."""


class Latencies:
    """Follows the logs in a directory. `answer` blocks, so it is called in a thread; a second call waits."""

    def __init__(self, sla_ms: float, error_patterns: Mapping[str, str] | None) -> None:
        self._sla_ms, self._patterns = sla_ms, error_patterns
        self._lock = threading.Lock()
        self._tail: LogTail | None = None
        self._events: pl.DataFrame | None = None
        self._skipped = 0
        self._tables: dict[str, tuple[LatencyRow, ...]] = {}

    def answer(self, directory: Path, question: Question) -> Answer:
        """Read what is new, and answer. Raises NothingToRead for a log that is there and cannot be read."""
        with self._lock:
            self._read(directory)
            if self._events is None:
                return Answer(question)
            return self._answer(self._events, question)

    def _read(self, directory: Path) -> None:
        from tau2tui.analysis.measures import add_series
        from tau2tui.analysis.tail import LogTail

        if self._tail is None:
            self._tail = LogTail(directory, self._patterns) if self._patterns is not None else LogTail(directory)
        logs = self._tail.poll()
        if logs is not None:
            self._events, self._skipped = add_series(logs.events), logs.skipped.total
            self._tables.clear()

    def _answer(self, events: pl.DataFrame, question: Question) -> Answer:
        from tau2tui.analysis.measures import latency_table, series_values
        from tau2tui.tui.chart import caption, histogram_chart, picture

        if question.metric not in self._tables:
            table = latency_table(events, self._sla_ms, question.metric)
            self._tables[question.metric] = tuple(map(_row, table.iter_rows(named=True)))
        rows = self._tables[question.metric]
        if not rows:
            return Answer(question, skipped=self._skipped)
        series = question.series if any(row.series == question.series for row in rows) else rows[0].series
        values = series_values(events, series, question.metric)
        drawn = picture(values, self._sla_ms, question.bins, log=question.log)
        if drawn is None:
            return Answer(question, rows, series, caption="no call has this figure", skipped=self._skipped)
        chart = histogram_chart(drawn, self._sla_ms, question.width, question.height)
        return Answer(question, rows, series, chart, caption(values, drawn, self._sla_ms), self._skipped)


def _row(record: Mapping[str, Any]) -> LatencyRow:
    return LatencyRow(**{name: record[name] for name in LatencyRow.__dataclass_fields__})
