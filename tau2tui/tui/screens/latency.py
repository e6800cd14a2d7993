"""5 Latency: how long calls take, by series, in numbers and as a picture; live while it is looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.widgets import Static

from tau2tui.analysis.latency_question import COLUMNS, LEAST_SPAN_MS, METRICS, PICTURES, PictureQuestion
from tau2tui.config import PollConfig, SlaConfig
from tau2tui.core.window import Window, parse_window
from tau2tui.errors import Tau2TuiError
from tau2tui.ops import Ops
from tau2tui.remote.logfiles import LogFiles
from tau2tui.remote.shell import LocalShell
from tau2tui.tui.actions import bindings
from tau2tui.tui.latencies import Answer, Latencies, Other
from tau2tui.tui.latency_input import LAST_MINUTES, next_bins, parse_bins, parse_sla, parse_zoom
from tau2tui.tui.latency_title import no_calls, title_lines
from tau2tui.tui.looking import Looking
from tau2tui.tui.messages import Told
from tau2tui.tui.other_run import logs_of
from tau2tui.tui.screens.frame import Framed
from tau2tui.tui.typed_path import typed_path
from tau2tui.tui.widgets.keyed_table import KeyedTable
from tau2tui.tui.widgets.latency_chart import LatencyChart
from tau2tui.tui.widgets.latency_numbers import LatencyNumbers
from tau2tui.tui.widgets.latency_table import LatencyTable
from tau2tui.tui.widgets.tab_line import View


class LatencyScreen(Framed):
    """The picture of one series, or of two, above the table of all."""

    BINDING_GROUP_TITLE = "Latency"
    BINDINGS: ClassVar[list[BindingType]] = bindings("Latency")

    def __init__(self, view: View, views: Sequence[View], title: str, ops: Ops | None, logs: LogFiles) -> None:
        super().__init__(view, views, title, ops)
        self._logs = logs
        self._poll_s = (ops.config.poll if ops else PollConfig()).logs_s
        self._latencies = Latencies(ops.config.error_patterns if ops else None)
        self._question = PictureQuestion(sla_ms=(ops.config.sla if ops else SlaConfig()).threshold_ms)
        self._other: Other | None = None
        self._over = ""
        """The series that is laid over whatever row is under the cursor."""
        self._whole: tuple[float, float] | None = None
        """The axis as it was before it was zoomed."""
        self._answer: Answer | None = None
        self._looking = Looking()

    def compose_body(self) -> ComposeResult:
        yield Static(id="latency-title", markup=False)
        with Horizontal(id="latency-picture"):
            yield LatencyChart()
            yield LatencyNumbers()
        yield Static(id="latency-empty", markup=False)
        yield LatencyTable(self._question.sla_ms)

    def on_mount(self) -> None:
        self._keep_current()

    def on_screen_resume(self) -> None:
        self._looking.begin()

    def on_screen_suspend(self) -> None:
        self._looking.end()

    # what is asked

    @on(LatencyChart.Resized)
    def _resized(self, event: LatencyChart.Resized) -> None:
        self._ask(width=event.size.width, height=event.size.height)

    @on(LatencyTable.RowHighlighted)
    def _chosen(self) -> None:
        self._ask_series()

    @on(KeyedTable.Arranged)
    def _marked(self) -> None:
        self._ask_series()

    def _ask_series(self) -> None:
        """The row under the cursor, and what was laid over it; of two marked rows the second over the first."""
        table = self.query_one(LatencyTable)
        if len(table.marks) > 1:
            self._ask(series=table.marks[0], other=table.marks[1])
        else:
            self._ask(series=table.cursor_key or self._question.series, other=self._over)

    def action_series(self, step: int) -> None:
        self.query_one(LatencyTable).cursor_row += step

    def action_picture(self, words: str | None = None) -> None:
        self._cycle("picture", PICTURES, words, "picture")

    def action_metric(self, words: str | None = None) -> None:
        self._cycle("metric", tuple(METRICS), COLUMNS.get((words or "").strip().lower(), words), "metric")

    def action_domain(self, words: str | None = None) -> None:
        domains = self._answer.domains if self._answer else ()
        self._cycle("domain", ("", *domains), words, "domain")

    def action_window(self, words: str | None = None) -> None:
        if words is not None:
            self._ask_parsed("window", parse_window, words)
            return
        windows = [Window(last_s=None if minutes is None else 60.0 * minutes) for minutes in LAST_MINUTES]
        now = self._question.window
        self._ask(window=windows[(windows.index(now) + 1) % len(windows)] if now in windows else windows[0])

    def action_bins(self, words: str | None = None) -> None:
        if not words:
            self._ask(bins=next_bins(self._question.bins, 1))
        else:
            self._ask_parsed("bins", parse_bins, words)

    def action_fewer_bins(self) -> None:
        self._ask(bins=next_bins(self._question.bins, -1))

    def action_log_axis(self) -> None:
        self._ask(log=not self._question.log)

    def action_zoom_in(self) -> None:
        self._scale(0.25, 0.75)

    def action_zoom_out(self) -> None:
        if self._question.zoom is not None:
            self._scale(-0.5, 1.5)

    def action_shift(self, step: int) -> None:
        if self._question.zoom is not None:
            self._scale(0.25 * step, 1 + 0.25 * step)

    def action_zoom(self, words: str | None = None) -> None:
        self._ask_parsed("zoom", parse_zoom, words or "")

    def action_sla(self, words: str) -> None:
        self._ask_parsed("sla_ms", parse_sla, words)

    def action_with(self, words: str) -> None:
        """Lay a series over that under the cursor; its name, or a part that only one has."""
        words = words.strip()
        known = [row.series for row in self._answer.rows] if self._answer else []
        found = [words] if words in known else [name for name in known if words.casefold() in name.casefold()]
        if words and len(found) != 1 and (found or self._other is None):
            fitting = f"{', '.join(found)} fit" if found else "no series is called so"
            self._tell(f"{words!r}: {fitting}")
            return
        self._over = found[0] if words and found else words  # the other run may have what this one lacks
        self.query_one(LatencyTable).action_unmark()
        self._ask_series()

    def action_compare_with(self, words: str) -> None:
        self._find_other(words.strip())

    async def action_export(self, words: str | None = None) -> None:
        """Into a file that is named; by key the `:` line proposes one."""
        if words is None:
            await self.app.run_action(f"command({f'export {self._proposed()}'!r})", self.app)
        elif self._answer is None or not self._answer.legends:
            self._tell("there is nothing to export yet")
        else:
            self._export(words.strip() or self._proposed())

    def _cycle(self, name: str, values: Sequence[str], words: str | None, what: str) -> None:
        """The next value, or the one that is named; nothing named behind `:` is the first."""
        now = getattr(self._question, name)
        if words is None:
            wanted = values[(values.index(now) + 1) % len(values)] if now in values else values[0]
        elif words.strip() in values:
            wanted = words.strip()
        elif not words.strip() or words.strip() == "all":
            wanted = values[0]
        else:
            shown = ", ".join(METRICS.get(value, value) or "all" for value in values)
            self._tell(f"no {what} {words!r}; there are {shown}")
            return
        self._ask(**{name: wanted})

    def _ask_parsed(self, name: str, parse: Callable[[str], object], words: str) -> None:
        try:
            self._ask(**{name: parse(words)})
        except ValueError as error:
            self._tell(str(error))

    def _scale(self, low: float, high: float) -> None:
        """Show another part of the axis: 0 is its left end now, 1 its right; what is wider than all is all."""
        axis = self._answer.axis if self._answer else None
        if axis is None:
            return
        if self._question.log:
            wanted = tuple(axis[0] * (axis[1] / axis[0]) ** part for part in (low, high))
        else:
            wanted = tuple(axis[0] + (axis[1] - axis[0]) * part for part in (low, high))
            wanted = (0.0, wanted[1] - wanted[0]) if wanted[0] < 0 else wanted
        if self._question.zoom is None:
            self._whole = axis
        whole = self._whole
        covers = whole is not None and wanted[0] <= whole[0] and wanted[1] >= whole[1]
        if covers or wanted[1] - wanted[0] < LEAST_SPAN_MS:
            self._ask(zoom=None)
        else:
            self._ask(zoom=(wanted[0], wanted[1]))

    def _ask(self, **changes: object) -> None:
        """Ask for something else to be drawn."""
        question = replace(self._question, **changes)  # type: ignore[arg-type]
        if question != self._question:
            self._question = question
            self._looking.ask()

    def _tell(self, words: str, *, trouble: bool = True) -> None:
        self.post_message(Told(words, trouble))

    # what is shown

    @work(group="latency", exclusive=True)
    async def _keep_current(self) -> None:
        """While the screen is looked at: answer at once what is asked, and look for new lines now and then."""
        await self._looking.repeat(self._look, self._poll_s)

    async def _look(self) -> None:
        try:
            directory = await self._logs.local()
            answer = await asyncio.to_thread(self._latencies.answer, directory, self._question, self._other)
        except (Tau2TuiError, OSError) as error:
            self._show_title(str(error))
        else:
            self._show_answer(answer)

    @work(group="latency-other", exclusive=True)
    async def _find_other(self, words: str) -> None:
        """Lay another run over this one, or take it away."""
        try:
            found = await logs_of(words, self._ops) if words else None
        except (Tau2TuiError, OSError) as error:
            self._tell(str(error))
            return
        self._other = found
        self._looking.ask()

    @work(group="latency-export")
    async def _export(self, name: str) -> None:
        question, other = self._question, self._other
        try:
            path = self._export_directory() / typed_path(name)
        except OSError as error:
            self._tell(f"not exported: {error.strerror}")
            return

        def write() -> Path:
            from tau2tui.analysis.latency_export import export

            return export(self._latencies.figures(directory, question, other), path)

        try:
            directory = await self._logs.local()
            written = await asyncio.to_thread(write)
        except (Tau2TuiError, OSError) as error:
            self._tell(f"not exported: {error}")
        else:
            self._tell(f"written: {written}", trouble=False)

    def _export_directory(self) -> Path:
        """The run's own directory if it is on this machine and may be written, else the current one."""
        ops = self._ops
        here = ops is not None and ops.launched and isinstance(ops.shell, LocalShell) and not ops.read_only
        return Path(str(ops.run.path)) if here and ops is not None else Path.cwd()

    def _proposed(self) -> str:
        series = self._answer.series if self._answer else ""
        safe = "".join(character if character.isascii() and character.isalnum() else "_" for character in series)[:60]
        question = self._question
        return f"latency_{safe}_{METRICS[question.metric]}_{question.picture}.png"

    def _show_answer(self, answer: Answer) -> None:
        if answer != self._answer:
            self._answer = answer
            self.query_one(LatencyTable).show_series(answer.rows, answer.question.sla_ms)
            self.query_one(LatencyChart).lines = answer.chart
            numbers = self.query_one(LatencyNumbers)
            numbers.legends, numbers.sla_ms = answer.legends, answer.question.sla_ms
            self.set_class(len(answer.legends) > 1, "-two")
            self.set_class(not answer.rows, "-no-calls")
            self.query_one("#latency-empty", Static).update(no_calls() if not answer.rows else "")
        self._show_title()

    def _show_title(self, trouble: str = "") -> None:
        title = title_lines(self._answer, self.size.width - 2, trouble)
        self.query_one("#latency-title", Static).update(title)
