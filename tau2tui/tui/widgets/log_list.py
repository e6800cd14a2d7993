"""The list of all logs: what each is, how its writer fares, how large it is and when it last changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tau2tui.core.fleet import FleetRow
from tau2tui.core.model import EvalProgress, Job, JobState
from tau2tui.tui.format import EVAL_STATES, UNKNOWN, Cell, Tone, duration, size, standing_cell
from tau2tui.tui.log_catalog import Kind, KnownLog
from tau2tui.tui.widgets.columns import ALWAYS, Column
from tau2tui.tui.widgets.keyed_table import KeyedTable

COLUMNS = (
    Column("LOG", 14, ALWAYS, most=200, flexible=True, names=True),
    Column("STATE", 9, 90),
    Column("KIND", 6, 20),
    Column("SIZE", 7, 50, right=True),
    Column("AGE", 5, 80, right=True),
)
_JOB_STATES = {JobState.RUNNING: ("●", Tone.OK), JobState.PENDING: ("◌", Tone.MUTED), JobState.ENDED: ("■", Tone.MUTED)}


class LogList(KeyedTable):
    """One row for each log, by its name."""

    FAULTS = "state:/failed|degraded|unknown/"

    def __init__(self) -> None:
        super().__init__(COLUMNS, id="log-list")

    def show_logs(self, logs: Iterable[KnownLog], states: Mapping[str, Cell], now: float) -> None:
        """Show these; a log whose writer is not known has no state."""
        self.show_rows({log.name: _cells(log, states.get(log.name, Cell("")), now) for log in logs})


def _cells(log: KnownLog, state: Cell, now: float) -> tuple[Cell, ...]:
    length, changed_at = log.entry.size, log.entry.changed_at
    age_s = None if changed_at is None else max(0.0, now - changed_at)
    return (
        Cell(log.file),
        state,
        Cell(log.kind.value, Tone.MUTED),
        Cell(UNKNOWN if length is None else size(length), Tone.MUTED if not length else Tone.PLAIN, length),
        # In whole minutes from one on, so that the rows of quiet logs do not change with every look.
        Cell(_age(age_s), Tone.PLAIN if age_s is not None and age_s < 60 else Tone.MUTED, age_s),
    )


def _age(seconds: float | None) -> str:
    if seconds is None or seconds < 60:
        return duration(seconds)
    if seconds < 3600:
        return f"{seconds // 60:.0f}m"
    return f"{seconds // 3600:.0f}h" if seconds < 86_400 else f"{seconds // 86_400:.0f}d"


def writer_states(
    logs: Iterable[KnownLog],
    fleet: Iterable[FleetRow],
    jobs: Iterable[Job],
    evaluation: EvalProgress | None,
    *,
    old: bool,
) -> dict[str, Cell]:
    """How the writer of each log fares, as far as that is known; with `old` it is what was seen last."""
    rows = {row.replica: row for row in fleet}
    by_job = {job.name: job for job in jobs}
    cells = {}
    for log in logs:
        if log.kind is Kind.SERVER and (row := rows.get(log.replica)) is not None:
            current = log.attempt == row.attempt
            cells[log.name] = (
                standing_cell(row.standing, row.phase, old=old) if current else Cell("■ earlier", Tone.MUTED)
            )
        elif log.kind is Kind.JOB and (job := by_job.get(log.job)) is not None:
            glyph, tone = _JOB_STATES.get(job.state, ("?", Tone.DOUBT))
            cells[log.name] = Cell(f"{glyph} {job.raw_state.lower()}{'?' if old else ''}", tone)
        elif log.kind is Kind.EVALUATION and evaluation is not None:
            glyph, tone = EVAL_STATES[evaluation.state]
            cells[log.name] = Cell(f"{glyph} {evaluation.state.value}{'?' if old else ''}", tone)
    return cells
