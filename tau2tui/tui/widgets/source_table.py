"""The table of sources: how each is asked, how old its answer is, and what ails it."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median
from typing import ClassVar

from tau2tui.ops.sight import Poll
from tau2tui.tui.format import UNKNOWN, Cell, Tone, duration, latency, whole
from tau2tui.tui.sources import Source
from tau2tui.tui.widgets.columns import ALWAYS, Column
from tau2tui.tui.widgets.keyed_table import KeyedTable

COLUMNS = (
    Column("STATE", 9, ALWAYS),
    Column("SOURCE", 14, ALWAYS, most=30),
    Column("AGE", 6, ALWAYS, right=True),
    Column("P50", 6, 60, right=True),
    Column("MAX", 6, 50, right=True),
    Column("ASKED", 5, 40, right=True),
    Column("FAILED", 6, 70, right=True),
    Column("NEXT", 6, 80, right=True),
    Column("TROUBLE", 12, 90, most=300, flexible=True),
)


class SourceTable(KeyedTable):
    """One row for each source."""

    FAULTS: ClassVar[str] = "!state:fresh"

    def __init__(self) -> None:
        super().__init__(COLUMNS)

    def show_sources(self, sources: Iterable[tuple[Source, Poll]], now: float, *, paused: bool) -> None:
        """Show these; `now` is what ages are taken against."""
        self.show_rows({source.short: _cells(source, poll, now, paused=paused) for source, poll in sources})


def _cells(source: Source, poll: Poll, now: float, *, paused: bool) -> tuple[Cell, ...]:
    if source.age_s is None:
        state = Cell("? unknown", Tone.DOUBT)
    elif source.old:
        state = Cell("▲ stale", Tone.WARN)
    else:
        state = Cell("● fresh", Tone.OK)
    took = list(poll.took_ms)
    next_s = None if poll.next_at is None else max(0.0, poll.next_at - now)
    middle, longest = (median(took), max(took)) if took else (None, None)
    return (
        state,
        Cell(source.name),
        Cell(duration(source.age_s), value=source.age_s),
        Cell(latency(middle), value=middle),
        Cell(latency(longest), value=longest),
        Cell(whole(poll.asked), value=poll.asked),
        Cell(whole(poll.failed), Tone.WARN if poll.failed else Tone.MUTED, poll.failed),
        Cell("paused" if paused else duration(next_s) if next_s is not None else UNKNOWN, value=next_s),
        Cell(source.trouble, Tone.WARN),
    )
