"""5 Latency: how long calls take, by series, in numbers and as a picture; live while it is looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from rich.console import Group
from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Static

from tau2tui.config import PollConfig, SlaConfig
from tau2tui.errors import Tau2TuiError
from tau2tui.ops import Ops
from tau2tui.remote.logfiles import LogFiles
from tau2tui.tui.actions import bindings
from tau2tui.tui.format import Tone, text
from tau2tui.tui.latencies import BINS, METRICS, Answer, Latencies, Question
from tau2tui.tui.screens.frame import Framed
from tau2tui.tui.widgets.latency_table import LatencyTable
from tau2tui.tui.widgets.tab_line import View


class LatencyScreen(Framed):
    """The picture of one series above the table of all."""

    BINDING_GROUP_TITLE = "Latency"
    BINDINGS: ClassVar[list[BindingType]] = bindings("Latency")

    def __init__(self, view: View, views: Sequence[View], title: str, ops: Ops | None, logs: LogFiles) -> None:
        super().__init__(view, views, title, ops)
        self._logs = logs
        self._sla = ops.config.sla if ops else SlaConfig()
        self._poll_s = (ops.config.poll if ops else PollConfig()).logs_s
        self._latencies = Latencies(self._sla.threshold_ms, ops.config.error_patterns if ops else None)
        self._question = Question()
        self._answer: Answer | None = None
        self._looked_at = asyncio.Event()
        self._asked = asyncio.Event()

    def compose_body(self) -> ComposeResult:
        yield Static(id="latency-title", markup=False)
        yield Static(id="chart", markup=False)
        yield LatencyTable(self._sla.threshold_ms)

    def on_mount(self) -> None:
        self._keep_current()

    def on_screen_resume(self) -> None:
        self._looked_at.set()

    def on_screen_suspend(self) -> None:
        self._looked_at.clear()

    @on(events.Resize)
    def _resized(self) -> None:
        self.call_after_refresh(self._ask)

    @on(LatencyTable.RowHighlighted)
    def _chosen(self) -> None:
        self._ask(series=self.query_one(LatencyTable).cursor_key or "")

    def action_series(self, step: int) -> None:
        table = self.query_one(LatencyTable)
        table.cursor_row += step

    def action_metric(self) -> None:
        metrics = list(METRICS)
        self._ask(metric=metrics[(metrics.index(self._question.metric) + 1) % len(metrics)])

    def action_bins(self, step: int) -> None:
        self._ask(bins=BINS[max(0, min(len(BINS) - 1, BINS.index(self._question.bins) + step))])

    def action_log_axis(self) -> None:
        self._ask(log=not self._question.log)

    def _ask(self, **changes: object) -> None:
        """Ask for something else to be drawn, at the size that there is room for."""
        size = self.query_one("#chart").size
        question = replace(self._question, **changes, width=size.width, height=size.height)  # type: ignore[arg-type]
        if question != self._question:
            self._question = question
            self._asked.set()

    @work(group="latency", exclusive=True)
    async def _keep_current(self) -> None:
        """While the screen is looked at: answer at once what is asked, and look for new lines now and then."""
        while True:
            await self._looked_at.wait()
            self._asked.clear()
            try:
                directory = await self._logs.local()
                answer = await asyncio.to_thread(self._latencies.answer, directory, self._question)
            except (Tau2TuiError, OSError) as error:
                self._show_title(str(error))
            else:
                self._show_answer(answer)
            try:
                async with asyncio.timeout(self._poll_s):
                    await self._asked.wait()
            except TimeoutError:
                continue

    def _show_answer(self, answer: Answer) -> None:
        if answer != self._answer:
            self._answer = answer
            self.query_one(LatencyTable).show_series(answer.rows)
            self.query_one("#chart", Static).update(answer.chart if answer.rows else _empty())
            self.call_after_refresh(self._ask)  # the table may have taken room from the picture
        self._show_title()

    def _show_title(self, trouble: str = "") -> None:
        """What is drawn, or first of all why it may be old."""
        lines = [text((" STALE ", Tone.MATCH), (f" {trouble}", Tone.WARN))] if trouble else []
        answer = self._answer
        if answer and answer.rows:
            axis = ", log axis" if answer.question.log else ""
            metric = f"  {METRICS[answer.question.metric]} time, {answer.question.bins} bins{axis}"
            skipped = f"  {answer.skipped} lines not readable" if answer.skipped else ""
            lines.append(text((answer.series, Tone.STRONG), (metric, Tone.MUTED), (skipped, Tone.MUTED)))
            lines.append(text(answer.caption))
        self.query_one("#latency-title", Static).update(Group(*lines[:2]))


def _empty() -> Group:
    return Group(
        text(("No calls in the logs yet.", Tone.STRONG)),
        text(("They appear as soon as an evaluation writes profile lines, ", Tone.MUTED)),
        text(("such as logs/tau2_<domain>.log.", Tone.MUTED)),
    )
