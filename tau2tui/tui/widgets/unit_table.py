"""The simulations in flight, the one that has been silent longest on top."""

from __future__ import annotations

from statistics import median
from typing import ClassVar

from tau2tui.core.model import RunningUnit
from tau2tui.tui.format import UNKNOWN, Cell, Tone, duration, whole
from tau2tui.tui.widgets.columns import ALWAYS, Column
from tau2tui.tui.widgets.keyed_table import KeyedTable

COLUMNS = (
    Column("TASK", 24, ALWAYS, most=90, flexible=True, names=True),
    Column("TRIAL", 5, 20, right=True),
    Column("AGE", 6, 60, right=True),
    Column("IDLE", 8, ALWAYS, right=True),
    Column("STEPS", 5, 70, right=True),
    Column("DOING", 12, 90, most=32),
    Column("REPLICA", 14, 80, most=40),
)
_STUCK_S = 60.0
_STUCK_MEDIANS = 5.0


class UnitTable(KeyedTable):
    """One row for each simulation in flight, by its unit's name."""

    FAULTS: ClassVar[str] = "idle:▲"

    def __init__(self) -> None:
        super().__init__(COLUMNS)

    def show_units(self, units: tuple[RunningUnit, ...], clock: float) -> None:
        """Show these; `clock` is the cluster's time, from which ages are taken."""
        idle_s = {unit: max(0.0, clock - unit.last_event_at) for unit in units}
        usual_s = median(idle_s.values()) if idle_s else 0.0
        self.show_rows(
            {
                unit.name: _cells(unit, clock, idle_s[unit], usual_s)
                for unit in sorted(units, key=lambda unit: (-idle_s[unit], unit.domain, unit.task_id, unit.trial))
            }
        )


def _cells(unit: RunningUnit, clock: float, idle_s: float, usual_s: float) -> tuple[Cell, ...]:
    stuck = unit.stalled or (idle_s > _STUCK_S and idle_s > _STUCK_MEDIANS * usual_s)
    age_s = clock - unit.started_at
    return (
        Cell(f"{unit.domain} {unit.task_id}"),
        Cell(str(unit.trial), value=unit.trial),
        Cell(duration(age_s), value=age_s),
        Cell(("▲ " if stuck else "") + duration(idle_s), Tone.WARN if stuck else Tone.PLAIN, idle_s),
        Cell(whole(unit.steps), value=unit.steps),
        Cell(unit.doing or UNKNOWN),
        Cell(unit.replica or UNKNOWN, Tone.PLAIN if unit.replica else Tone.MUTED),
    )
