"""1 Fleet: every replica, what is wrong with it, and what can be done about it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType

from tau2tui.core.command import HandOver, Launch, Relaunch, Stop
from tau2tui.core.fleet import FleetRow
from tau2tui.core.past import Sampled, past_rows
from tau2tui.errors import Tau2TuiError
from tau2tui.ops import Ops
from tau2tui.tui.actions import bindings
from tau2tui.tui.kept_samples import KeptSamples, Trends
from tau2tui.tui.messages import Asked, DetailAsked, JumpAsked, LogAsked, MomentShown, ProbeAsked, Told
from tau2tui.tui.screens.frame import Framed
from tau2tui.tui.widgets.bare import BareHorizontal, BareVertical
from tau2tui.tui.widgets.fleet_table import FleetTable
from tau2tui.tui.widgets.replica_pane import SETTLED_S, ReplicaPane
from tau2tui.tui.widgets.replica_strip import ReplicaStrip, detail
from tau2tui.tui.widgets.tab_line import View
from tau2tui.tui.widgets.trend_lines import trend_facts
from tau2tui.tui.windows import job_shell, node_shell

SHIFT = timedelta(minutes=10)
TRENDS_S = 30.0
"""How often the last hour of a replica is read again; it is told by the minute."""
DETAIL_WIDTH = 40
"""Characters of a line over time in the sheet of details."""


class FleetScreen(Framed):
    """The table of replicas and, below or beside it, the one under the cursor."""

    BINDING_GROUP_TITLE = "Fleet"
    BINDINGS: ClassVar[list[BindingType]] = bindings("Fleet")

    def __init__(self, view: View, views: Sequence[View], title: str, ops: Ops) -> None:
        super().__init__(view, views, title, ops)
        self._ops: Ops = ops
        self._rows: dict[str, FleetRow] = {}
        self._samples = KeptSamples(ops)
        self._then: Mapping[str, Sampled] = {}
        """What was sampled at `moment`."""
        self._aim: datetime | None = None
        """The moment that is to be shown; None: now."""
        self._arriving: tuple[datetime | None, Mapping[str, Sampled]] = (None, {})
        """The moment that will be shown next, and what was sampled then."""
        self._trends: Trends | None = None
        self._trends_of: tuple[str, datetime | None] | None = None
        """The replica and the moment whose last hour is read, or shown."""
        self._steps = 0
        """So many samples later, or earlier, it is to be shown."""

    def compose_body(self) -> ComposeResult:
        with BareHorizontal():
            with BareVertical(id="fleet"):
                yield FleetTable()
                yield ReplicaStrip()
            yield ReplicaPane(self._ops.logs)

    def show(self) -> None:
        rows = self._ops.fleet()
        if self.moment is not None:
            rows = past_rows(rows, self._then, self._ops.config.verdicts)
        self._rows = {row.replica: row for row in rows}
        old, news = self.old and self.moment is None, self.changes_are_news() and self.moment is None
        self.query_one(FleetTable).show_fleet(rows, old=old, news=news)
        self._show_strip()

    @on(FleetTable.RowHighlighted)
    def _show_strip(self) -> None:
        """In the strip, or in the pane: in what there is room for."""
        shown: ReplicaPane | ReplicaStrip = (
            self.query_one(ReplicaPane) if self._has_pane else self.query_one(ReplicaStrip)
        )
        shown.row, shown.old = self._row, self.old and self.moment is None
        self.query_one(ReplicaPane).look(self._has_pane and self.in_sight)
        self._keep_trends()

    # the past

    def go_to(self, at: datetime | None) -> None:
        """Show the fleet as of a moment, or as it is now."""
        self._steps, self._aim = 0, at
        self._travel()

    def action_step(self, steps: int) -> None:
        """By the samples of the replica under the cursor; keys that come while it is read add up."""
        self._steps += steps
        if not any(worker.group == "travel" and worker.is_running for worker in self.workers):
            self._travel()

    def action_shift(self, times: int) -> None:
        if self._aim is not None or times < 0:
            self.go_to((self._aim or self._clock()) + times * SHIFT)

    @work(group="travel", exclusive=True)
    async def _travel(self) -> None:
        """Read what was sampled then, and only when it is there say that it is shown."""
        try:
            while True:
                steps, self._steps = self._steps, 0
                self._aim = await self._stepped(self._aim, steps) if steps else self._aim
                if self._aim is not None and self._aim >= self._clock():
                    self._aim = None
                at = self._aim
                self._arriving = at, (await self._samples.moment(at) if at is not None else {})
                self.post_message(MomentShown(at))
                if not self._steps:
                    return
        except (Tau2TuiError, OSError) as error:
            self._aim = self.moment
            self.post_message(Told(f"the samples cannot be read: {error}", trouble=True))

    async def _stepped(self, at: datetime | None, steps: int) -> datetime | None:
        row, begin = self._row, at or self._clock()
        if row is None or (at is None and steps > 0):
            return at
        found = await self._samples.step(row.replica, begin, steps)
        if found is None and steps < 0:
            self.post_message(Told(f"no sample of {row.replica} before {begin:%H:%M:%S}", trouble=True))
            return at
        return found

    def watch_moment(self) -> None:
        arrived, then = self._arriving
        self._then = then if arrived == self.moment else {}
        super().watch_moment()

    def _clock(self) -> datetime:
        return datetime.fromtimestamp(self._ops.clock())

    def _keep_trends(self) -> None:
        """The last hour of the replica under the cursor, for as long as it is looked at."""
        row = self._row if self.in_sight and not self.has_class("-zoomed") else None
        wanted = (row.replica, self.moment) if row is not None else None
        if wanted != self._trends_of:
            self._trends_of = wanted
            self._show_trends(None)
            if row is not None:
                self._read_trends(row.replica)

    @work(group="trends", exclusive=True)
    async def _read_trends(self, replica: str) -> None:
        await asyncio.sleep(SETTLED_S)
        while True:
            try:
                self._show_trends(await self._samples.hour(replica, self.moment or self._clock()))
            except (Tau2TuiError, OSError):
                self._show_trends(None)  # the lines above all say what ails the source
            if self.moment is not None:
                return
            await asyncio.sleep(TRENDS_S)

    def _show_trends(self, trends: Trends | None) -> None:
        self._trends = trends
        for shown in (*self.query(ReplicaPane), *self.query(ReplicaStrip)):  # none, if the screen ends meanwhile
            shown.trends = trends

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
        if not self.in_sight:
            self._trends_of = None
            self.workers.cancel_group(self, "trends")

    @on(FleetTable.RowSelected)
    def action_detail(self) -> None:
        if self._row is not None:
            lines = trend_facts(self._trends, DETAIL_WIDTH) if self._trends else []
            self.post_message(DetailAsked(self._row.replica, [*detail(self._row), *lines]))

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
        self.post_message(node_shell(self._ops.config.cluster, self._row.node if self._row else ""))

    def action_job_shell(self) -> None:
        self.post_message(job_shell(self._ops.config.cluster, self._row.job_id if self._row else ""))

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
