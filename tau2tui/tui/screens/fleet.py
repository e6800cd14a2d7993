"""1 Fleet: every replica, what is wrong with it, and what can be done about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from tau2tui.core.command import Relaunch, Stop
from tau2tui.core.diagnosis import table as signatures
from tau2tui.core.fleet import FleetRow, fleet_rows
from tau2tui.ops import Ops
from tau2tui.tui.messages import Asked, LogAsked, RefreshAsked
from tau2tui.tui.screens.frame import Framed
from tau2tui.tui.widgets.fleet_table import FleetTable
from tau2tui.tui.widgets.replica_strip import ReplicaStrip
from tau2tui.tui.widgets.tab_line import View


class FleetScreen(Framed):
    """The table of replicas and, below it, the one under the cursor."""

    BINDING_GROUP_TITLE = "Fleet"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l", "open_log", "Log", id="replica.log", tooltip="Open its current log, as Enter", key_display="⏎ l"),
        Binding("R", "relaunch", "Relaunch", id="replica.relaunch", tooltip="Start this replica again in its job"),
        Binding("K", "stop", "Stop", id="replica.stop", tooltip="Stop this replica; asks first"),
        Binding("r", "look", "Refresh", id="fleet.refresh", tooltip="Look again now"),
    ]

    def __init__(self, view: View, views: Sequence[View], title: str, ops: Ops) -> None:
        super().__init__(view, views, title, ops)
        self._ops = ops
        self._rows: dict[str, FleetRow] = {}

    def compose_body(self) -> ComposeResult:
        yield FleetTable()
        yield ReplicaStrip()

    def show(self) -> None:
        run = self.snapshot.run.value
        known = signatures(self._ops.config.diagnosis)
        rows = fleet_rows(self._ops.verdicts(), run.evaluation if run else None, known)
        self._rows = {row.replica: row for row in rows}
        self.query_one(FleetTable).show_fleet(rows, old=self.old)
        self._show_strip()

    @on(FleetTable.RowHighlighted)
    def _show_strip(self) -> None:
        strip = self.query_one(ReplicaStrip)
        strip.row, strip.old = self._row, self.old

    @on(FleetTable.RowSelected)
    def action_open_log(self) -> None:
        row = self._row
        if row is None or not row.log:
            why = f"{row.replica} is {row.standing}: {row.why}" if row else "the fleet is empty"
            self.notify(f"No log yet: {why}", markup=False)
            return
        self.post_message(LogAsked(row.log))

    def action_relaunch(self) -> None:
        if self._row is not None:
            self.post_message(Asked(Relaunch((self._row.replica,))))

    def action_stop(self) -> None:
        if self._row is not None:
            self.post_message(Asked(Stop(self._row.replica)))

    def action_look(self) -> None:
        self.post_message(RefreshAsked())

    @property
    def _row(self) -> FleetRow | None:
        """The replica under the cursor."""
        key = self.query_one(FleetTable).cursor_key
        return self._rows.get(key) if key else None
