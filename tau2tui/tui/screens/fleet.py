"""1 Fleet: every replica, what is wrong with it, and what can be done about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical

from tau2tui.core.command import HandOver, Launch, Relaunch, Stop
from tau2tui.core.fleet import FleetRow
from tau2tui.ops import Ops
from tau2tui.tui.actions import bindings
from tau2tui.tui.messages import Asked, DetailAsked, JumpAsked, LogAsked, ProbeAsked, ShellAsked, Told
from tau2tui.tui.screens.frame import Framed
from tau2tui.tui.widgets.fleet_table import FleetTable
from tau2tui.tui.widgets.replica_pane import ReplicaPane
from tau2tui.tui.widgets.replica_strip import ReplicaStrip, detail
from tau2tui.tui.widgets.tab_line import View
from tau2tui.tui.windows import job_argv, node_argv


class FleetScreen(Framed):
    """The table of replicas and, below or beside it, the one under the cursor."""

    BINDING_GROUP_TITLE = "Fleet"
    BINDINGS: ClassVar[list[BindingType]] = bindings("Fleet")

    def __init__(self, view: View, views: Sequence[View], title: str, ops: Ops) -> None:
        super().__init__(view, views, title, ops)
        self._ops = ops
        self._rows: dict[str, FleetRow] = {}

    def compose_body(self) -> ComposeResult:
        with Horizontal():
            with Vertical(id="fleet"):
                yield FleetTable()
                yield ReplicaStrip()
            yield ReplicaPane(self._ops.logs)

    def show(self) -> None:
        rows = self._ops.fleet()
        self._rows = {row.replica: row for row in rows}
        self.query_one(FleetTable).show_fleet(rows, old=self.old, news=self.know_both())
        self._show_strip()

    @on(FleetTable.RowHighlighted)
    def _show_strip(self) -> None:
        """In the strip, or in the pane: in what there is room for."""
        shown: ReplicaPane | ReplicaStrip = (
            self.query_one(ReplicaPane) if self._has_pane else self.query_one(ReplicaStrip)
        )
        shown.row, shown.old = self._row, self.old
        self.query_one(ReplicaPane).look(self._has_pane and self.in_sight)

    @property
    def _has_pane(self) -> bool:
        """Whether the terminal is wide enough for the pane, and it was not zoomed away."""
        return self.has_class("-widest") and not self.has_class("-zoomed")

    async def on_resize(self) -> None:
        self.call_after_refresh(self._show_strip)

    def on_screen_resume(self) -> None:
        self.call_after_refresh(self._show_strip)

    def on_screen_suspend(self) -> None:
        """A sheet above it hides only a part of it; another screen all."""
        self.query_one(ReplicaPane).look(self._has_pane and self.in_sight)

    @on(FleetTable.RowSelected)
    def action_detail(self) -> None:
        if self._row is not None:
            self.post_message(DetailAsked(self._row.replica, detail(self._row)))

    def action_open_log(self) -> None:
        row = self._row
        if row is None or not row.log:
            why = f"{row.replica} is {row.standing}: {row.why}" if row else "the fleet is empty"
            self.post_message(Told(f"No log yet: {why}"))
            return
        self.post_message(LogAsked(row.log))

    def action_relaunch(self) -> None:
        if self._chosen:
            self.post_message(Asked(Relaunch(self._chosen)))

    def action_relaunch_failed(self) -> None:
        self.post_message(Asked(Relaunch(self._ops.failed())))

    def action_prove(self) -> None:
        if self._chosen:
            self.post_message(ProbeAsked(self._chosen))

    def action_stop(self) -> None:
        if self._chosen:
            self.post_message(Asked(Stop(self._chosen)))

    def action_stop_all(self) -> None:
        self.post_message(Asked(Stop()))

    def action_launch(self) -> None:
        self.post_message(Asked(Launch()))

    def action_hand_over(self) -> None:
        self.post_message(Asked(HandOver(now=True)))

    def action_node_shell(self) -> None:
        row = self._row
        argv = node_argv(self._ops.config.cluster, row.node) if row else None
        if row is None or argv is None:
            self.post_message(Told("it is on no node that is known", trouble=True))
        else:
            self.post_message(ShellAsked(row.node, argv))

    def action_job_shell(self) -> None:
        row = self._row
        argv = job_argv(self._ops.config.cluster, row.job_id) if row else None
        if row is None or argv is None:
            self.post_message(Told("it runs in no job that is known", trouble=True))
        else:
            self.post_message(ShellAsked(f"job {row.job_id}", argv))

    def action_jump(self) -> None:
        """To the job that it runs in."""
        if self._row is not None:
            self.post_message(JumpAsked("jobs", self._row.job_id or self._row.job))

    def action_uses(self) -> None:
        """To the simulations of the evaluation that wait for it."""
        if self._row is not None:
            self.post_message(JumpAsked("eval", filter=f"replica={self._row.replica}"))

    @property
    def _chosen(self) -> tuple[str, ...]:
        return self.query_one(FleetTable).chosen

    @property
    def _row(self) -> FleetRow | None:
        """The replica under the cursor."""
        key = self.query_one(FleetTable).cursor_key
        return self._rows.get(key) if key else None
