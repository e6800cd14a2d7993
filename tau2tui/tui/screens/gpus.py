"""3 GPUs: who holds them, what is stale and why, and the clean-up. Nodes are asked only while it is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.reactive import reactive
from textual.widgets import Static

from tau2tui.core.command import CleanGpus
from tau2tui.core.gpus import NodeGpus
from tau2tui.errors import Tau2TuiError
from tau2tui.ops import Ops
from tau2tui.tui.actions import bindings
from tau2tui.tui.format import Tone, duration, text
from tau2tui.tui.looking import Looking
from tau2tui.tui.messages import Asked, DetailAsked, JumpAsked, RefreshAsked, Told
from tau2tui.tui.screens.detail import row_facts
from tau2tui.tui.screens.frame import Framed
from tau2tui.tui.widgets.gpu_table import GpuTable, node_of
from tau2tui.tui.widgets.tab_line import View

LOOK_S = 30.0
"""How often the nodes are asked while the screen is looked at: each look is a login on every node."""


class GpusScreen(Framed):
    """A row for each process on a GPU; `K` ends the stale ones of the chosen nodes, exactly those that are shown."""

    BINDING_GROUP_TITLE = "GPUs"
    BINDINGS: ClassVar[list[BindingType]] = bindings("GPUs")

    seen_at: reactive[float | None] = reactive(None)
    """When the nodes were last asked."""

    def __init__(self, view: View, views: Sequence[View], title: str, ops: Ops) -> None:
        super().__init__(view, views, title, ops)
        self._ops: Ops = ops
        self._reports: tuple[NodeGpus, ...] = ()
        self._trouble = ""
        self._looking = Looking()

    def compose_body(self) -> ComposeResult:
        yield Static(id="gpus-title", markup=False)
        yield GpuTable()

    def on_mount(self) -> None:
        self._keep_current()

    def on_screen_resume(self) -> None:
        self._looking.begin()

    def on_screen_suspend(self) -> None:
        self._looking.end()

    def watch_now(self) -> None:
        super().watch_now()
        self._show_title()

    def action_look(self) -> None:
        self.post_message(RefreshAsked())
        self._looking.ask()

    def action_clean(self) -> None:
        """End what is stale on the nodes of the marked rows; without marks on the one under the cursor."""
        nodes = {node_of(key) for key in self.query_one(GpuTable).chosen}
        self._clean([report for report in self._reports if report.node in nodes])

    def action_clean_all(self) -> None:
        self._clean(self._reports)

    def _clean(self, reports: Sequence[NodeGpus]) -> None:
        for report in reports:
            if report.error:
                self.post_message(
                    Told(f"{report.node} is left out, nothing is known of it: {report.error}", trouble=True)
                )
        known = tuple(report for report in reports if not report.error)
        if known:
            self.post_message(Asked(CleanGpus(known)))

    @on(GpuTable.RowSelected)
    def action_detail(self) -> None:
        table = self.query_one(GpuTable)
        if table.cursor_key is not None:
            self.post_message(DetailAsked(table.cursor_key, row_facts(table, table.cursor_key)))

    def action_jump(self) -> None:
        """To the replica whose process it is."""
        key = self.query_one(GpuTable).cursor_key or ""
        for report in self._reports:
            for process in report.processes:
                if key.startswith(f"{report.node}/") and key.endswith(f"/{process.pid}") and process.replica:
                    self.post_message(JumpAsked("fleet", process.replica))
                    return
        self.post_message(Told("no replica of this run holds it"))

    @work(group="gpus", exclusive=True)
    async def _keep_current(self) -> None:
        await self._looking.repeat(self._look, LOOK_S)

    async def _look(self) -> None:
        if not self._ops.nodes():
            self._trouble = "no job of this run is on any node; `tau2tui gpus NODE` asks any node"
            self._show_title()
            return
        self._trouble = ""
        began = self._ops.clock()
        try:
            self._reports = await self._ops.gpus()
        except Tau2TuiError as error:
            self._trouble = str(error)
        else:
            self.seen_at = began
            run = self.snapshot.run.value
            self.query_one(GpuTable).show_nodes(
                self._reports, {node.node: node for node in run.dirty_nodes} if run else {}
            )
        self._show_title()

    def _show_title(self) -> None:
        age = "not asked yet" if self.seen_at is None else f"asked {duration(max(0.0, self.now - self.seen_at))} ago"
        stale = sum(process.stale for report in self._reports for process in report.processes)
        silent = sum(bool(report.error) for report in self._reports)
        parts = [
            ("1 node" if len(self._reports) == 1 else f"{len(self._reports)} nodes", Tone.STRONG),
            (f"  {stale} stale", Tone.BAD if stale else Tone.MUTED),
            (f"  {silent} not known" if silent else "", Tone.DOUBT),
            (f"  {age}, r asks again", Tone.MUTED),
            (f"  {self._trouble}" if self._trouble else "", Tone.WARN),
        ]
        self.query_one("#gpus-title", Static).update(text(*parts))
