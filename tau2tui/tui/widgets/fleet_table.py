"""The table of the fleet: one row for each replica, joined from job to evaluation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from tau2tui.core.fleet import FleetRow
from tau2tui.core.verdict import Standing
from tau2tui.tui.format import UNKNOWN, Cell, Tone, duration, numbers, percent, standing_cell, whole
from tau2tui.tui.widgets.columns import ALWAYS, Column
from tau2tui.tui.widgets.job_table import ENDS_SOON_S
from tau2tui.tui.widgets.kept_cells import KeptCells
from tau2tui.tui.widgets.keyed_table import KeyedTable
from tau2tui.tui.widgets.replica_strip import boot_words

COLUMNS = (
    Column("STATE", 12, ALWAYS, flashes=True),
    Column("REPLICA", 14, ALWAYS, most=64),
    Column("NODE", 6, 80, most=24),
    Column("GPUS", 4, 30),
    Column("PORT", 5, 20, right=True),
    Column("JOB", 6, 40),
    Column("RUN/WAIT", 8, 100, right=True),
    Column("KV", 4, 70, right=True),
    Column("TOK/S", 6, 60, right=True),
    Column("P50", 6, 25, right=True),
    Column("P99", 6, 35, right=True),
    Column("ERR", 4, 90, right=True, flashes=True),
    Column("ERR/M", 5, 55, right=True),
    Column("LEFT", 6, 75, right=True),
    Column("TRY", 3, 10, right=True),
    Column("WHY", 12, 5, most=200, flexible=True),
)
_KV_FULL = 0.95


class FleetTable(KeyedTable):
    """One row for each replica of the plan, in its order."""

    FAULTS: ClassVar[str] = "!state:ready"

    def __init__(self) -> None:
        super().__init__(COLUMNS)
        self._cells = KeptCells(_cells)

    def show_fleet(self, rows: Iterable[FleetRow], *, old: bool, news: bool = True) -> None:
        """Show these; with `old` they are marked as what was seen last, which may no longer be true."""
        self.show_rows(self._cells.of({row.replica: row for row in rows}, old=old), news=news)


def _cells(row: FleetRow, *, old: bool) -> tuple[Cell, ...]:
    load = row.load
    waits = load.running is not None or load.waiting is not None
    kv_full = load.kv_cache is not None and load.kv_cache >= _KV_FULL
    ends_soon = row.time_left_s is not None and row.time_left_s < ENDS_SOON_S
    why = "; ".join(filter(None, (boot_words(row), row.why if row.why != row.phase else "")))
    rate = row.errors_per_min
    return (
        standing_cell(row.standing, row.phase, old=old),
        Cell(row.replica),
        _quiet(row.node or UNKNOWN),
        Cell(numbers(row.gpus)),
        Cell(str(row.port), value=row.port),
        _quiet(row.job_id or UNKNOWN),
        _quiet(f"{whole(load.running)}/{whole(load.waiting)}" if waits else UNKNOWN, load.running),
        _warned(percent(load.kv_cache), load.kv_cache, warn=kv_full),
        _quiet(whole(load.generation_tokens_s), load.generation_tokens_s),
        _quiet(_seconds(load.e2e_p50_s), load.e2e_p50_s),
        _quiet(_seconds(load.e2e_p99_s), load.e2e_p99_s),
        _warned(whole(row.errors), row.errors, warn=bool(row.errors)),
        _warned(UNKNOWN if rate is None else f"{rate:.1f}", rate, warn=bool(rate)),
        _warned(duration(row.time_left_s), row.time_left_s, warn=ends_soon),
        _quiet(str(row.attempt) if row.attempt else UNKNOWN, row.attempt or None),
        Cell(why, Tone.BAD if row.standing is Standing.FAILED else Tone.MUTED),
    )


def _seconds(value: float | None) -> str:
    """How long requests took, in seconds: three figures at most."""
    return UNKNOWN if value is None else f"{value:.3g}s" if value < 100 else f"{value:.0f}s"


def _warned(words: str, value: float | None, *, warn: bool) -> Cell:
    return Cell(words, Tone.WARN, value) if warn else _quiet(words, value)


def _quiet(words: str, value: float | None = None) -> Cell:
    """What is not known, and zeros, step back so that the rest stands out."""
    return Cell(words, Tone.MUTED if words in (UNKNOWN, "0", "0.0", "0/0", "0%") else Tone.PLAIN, value)
