"""The events of one heap of logs that grows, narrowed to a domain and a window, and their table of latencies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tau2tui.tui.latency_question import Question

if TYPE_CHECKING:
    import polars as pl

    from tau2tui.analysis.tail import LogTail


@dataclass(frozen=True, slots=True)
class LatencyRow:
    """One series: milliseconds, and a share (0–1); None for a series without the figure."""

    series: str
    count: int
    mean: float | None = None
    std: float | None = None
    min: float | None = None
    p10: float | None = None
    p20: float | None = None
    p25: float | None = None
    p30: float | None = None
    p40: float | None = None
    p50: float | None = None
    p60: float | None = None
    p70: float | None = None
    p75: float | None = None
    p80: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    max: float | None = None
    under_sla: float | None = None


class LatencySource:
    """The events of one heap of logs, and the tables that were made of them."""

    def __init__(self, path: Path, patterns: Mapping[str, str] | None) -> None:
        self.path = path
        self._patterns = patterns
        self._tail: LogTail | None = None
        self.events: pl.DataFrame | None = None
        self.skipped = 0
        self.tables: dict[tuple[object, ...], tuple[LatencyRow, ...]] = {}

    @classmethod
    def of(cls, events: pl.DataFrame) -> LatencySource:
        """Events that were read already, and do not grow."""
        from tau2tui.analysis.measures import add_series

        source = cls(Path(), None)
        source.events = add_series(events)
        return source

    def poll(self) -> bool:
        """Read what is new; whether there was anything."""
        from tau2tui.analysis.errorlines import DEFAULT_ERROR_PATTERNS
        from tau2tui.analysis.measures import add_series
        from tau2tui.analysis.tail import LogTail

        if self._tail is None:
            patterns = DEFAULT_ERROR_PATTERNS if self._patterns is None else self._patterns
            self._tail = LogTail(self.path, patterns, use_cache=True)
        logs = self._tail.poll()
        if logs is not None:
            self.events, self.skipped = add_series(logs.events), logs.skipped.total
            self.tables.clear()
        return logs is not None

    @property
    def incidents(self) -> tuple[str, ...]:
        """What happened to the logs while they were followed, such as that one is shorter now, in words."""
        seen = self._tail.incidents if self._tail else ()
        return tuple(str(replace(one, path=Path(one.path.name))) for one in seen)

    def newest(self) -> datetime | None:
        """The time of the newest record that has one."""
        found = None if self.events is None else self.events["at"].max()
        return found if isinstance(found, datetime) else None

    def bounds(self, question: Question) -> tuple[datetime | None, datetime | None]:
        """Where the window begins and ends in these logs."""
        newest = self.newest()
        return question.window.bounds(newest) if newest else (None, None)

    def selected(self, question: Question) -> pl.DataFrame | None:
        """The events of the domain and the window; calls without a time are in no window but the whole run."""
        from tau2tui.analysis.narrowing import calls_in

        if self.events is None:
            return None
        return self.events.filter(calls_in(question.domain, question.window, self.newest()))

    def rows(self, question: Question) -> tuple[LatencyRow, ...]:
        """A row for each series, also for one that has no call in the domain or the window."""
        from tau2tui.analysis.measures import latency_table

        key = (question.metric, question.domain, question.window, question.sla_ms)
        if key not in self.tables:
            events = self.selected(question)
            if events is None or self.events is None:
                return ()
            table = latency_table(events, question.sla_ms, question.metric)
            found = {row["series"]: _row(row) for row in table.iter_rows(named=True)}
            every = self.events["series"].unique(maintain_order=True).drop_nulls()
            missing = (LatencyRow(name, 0) for name in every if name not in found)
            self.tables[key] = (*found.values(), *missing)
        return self.tables[key]


def _row(record: Mapping[str, Any]) -> LatencyRow:
    return LatencyRow(**{one.name: record[one.name] for one in fields(LatencyRow)})
