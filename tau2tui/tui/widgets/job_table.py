"""The table of jobs: those that were planned, those that the queue shows, and the evaluation's own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from tau2tui.core.jobs import JobRow
from tau2tui.tui.format import UNKNOWN, Cell, Tone, duration
from tau2tui.tui.widgets.columns import ALWAYS, Column
from tau2tui.tui.widgets.kept_cells import KeptCells
from tau2tui.tui.widgets.keyed_table import KeyedTable

COLUMNS = (
    Column("STATE", 13, ALWAYS, flashes=True),
    Column("JOB", 7, ALWAYS),
    Column("NAME", 15, 90, most=40),
    Column("NODES", 6, 80, most=30),
    Column("LEFT", 6, ALWAYS, right=True),
    Column("READY", 5, 85, right=True),
    Column("REASON", 12, 50, most=200, flexible=True),
)
_STATES: dict[str, tuple[str, Tone]] = {
    "running": ("●", Tone.OK),
    "pending": ("◌", Tone.BUSY),
    "configuring": ("◐", Tone.BUSY),
    "completing": ("◐", Tone.WARN),
    "completed": ("■", Tone.MUTED),
    "cancelled": ("■", Tone.MUTED),
    "ended": ("■", Tone.MUTED),
    "absent": ("○", Tone.MUTED),
    "unknown": ("?", Tone.DOUBT),
    "forgotten": ("?", Tone.DOUBT),
    "timeout": ("✖", Tone.WARN),
}
_BAD = ("✖", Tone.BAD)
ENDS_SOON_S = 3600.0
"""What is left of a time limit when it begins to stand out, here and in the Fleet."""


class JobTable(KeyedTable):
    """One row for each job, by its id, or by its name while it has none."""

    FAULTS: ClassVar[str] = "!state:running"

    def __init__(self) -> None:
        super().__init__(COLUMNS)
        self._cells = KeptCells(_cells)

    def show_jobs(self, rows: Iterable[JobRow], *, old: bool, news: bool = True) -> None:
        """Show these; with `old` they are marked as what was seen last, which may no longer be true."""
        self.show_rows(self._cells.of({job_key(row): row for row in rows}, old=old), news=news)


def job_key(row: JobRow) -> str:
    """What the row is called."""
    return row.id or row.name


def state_cell(state: str, *, old: bool = False) -> Cell:
    """Glyph and word of a job's state; an old reading has a question mark."""
    glyph, tone = _STATES.get(state.split(" ")[0].rstrip("+"), _BAD)
    return Cell(f"{glyph} {state}?", Tone.MUTED) if old and glyph != "?" else Cell(f"{glyph} {state}", tone)


def _cells(row: JobRow, *, old: bool) -> tuple[Cell, ...]:
    soon = row.time_left_s is not None and row.time_left_s < ENDS_SOON_S
    short = row.ready < row.replicas
    return (
        state_cell(row.state, old=old),
        Cell(row.id or UNKNOWN),
        Cell(row.name),
        Cell(row.nodes or UNKNOWN),
        Cell(duration(row.time_left_s), Tone.WARN if soon else Tone.PLAIN, row.time_left_s),
        Cell(
            f"{row.ready}/{row.replicas}" if row.replicas else UNKNOWN,
            Tone.WARN if short else Tone.PLAIN,
            row.ready / row.replicas if row.replicas else None,
        ),
        Cell(row.reason, Tone.MUTED),
    )
