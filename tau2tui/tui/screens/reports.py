"""7 Reports: those of this run and of the runs before it, read, made and compared without leaving the terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from tau2tui.errors import Tau2TuiError
from tau2tui.ops import Ops
from tau2tui.tui.actions import bindings
from tau2tui.tui.format import UNKNOWN, Cell, Tone, text
from tau2tui.tui.messages import RefreshAsked, Told
from tau2tui.tui.report_files import Listed, ReportFile, ReportFiles
from tau2tui.tui.screens.frame import Framed
from tau2tui.tui.widgets.columns import ALWAYS, Column
from tau2tui.tui.widgets.keyed_table import KeyedTable
from tau2tui.tui.widgets.page_view import PageView
from tau2tui.tui.widgets.tab_line import View

if TYPE_CHECKING:
    from tau2tui.tui.markdown_lines import Line

BESIDE = 100
"""Columns from which on list and text stand side by side: `-wide` of the frame."""
Lay = Callable[[int], Sequence["Line"]]
"""Lines for so many columns."""


class ReportsScreen(Framed):
    """The list of reports beside the open one; where there is no room for both, one at a time."""

    BINDING_GROUP_TITLE = "Reports"
    BINDINGS: ClassVar[list[BindingType]] = bindings("Reports")

    def __init__(self, view: View, views: Sequence[View], title: str, ops: Ops | None, files: ReportFiles) -> None:
        super().__init__(view, views, title, ops)
        self._files = files
        self._listed: dict[str, ReportFile] = {}
        self._open = ""
        """The path of the report that is shown, or was asked for."""
        self._lay: Lay | None = None
        """What is shown, to be laid out for another width."""
        self._making = False
        self._said: tuple[str, Tone] = ("", Tone.PLAIN)
        self._of_text: tuple[str, Tone] = ("", Tone.PLAIN)
        """What there is to say of the text that is open."""
        self._count: tuple[str, Tone] = ("", Tone.PLAIN)
        """What there is to say of the list."""

    def compose_body(self) -> ComposeResult:
        yield Static(id="report-title", markup=False)
        with Horizontal():
            yield KeyedTable(
                (Column("WRITTEN", 16, ALWAYS), Column("RUN", 15, ALWAYS, most=60, flexible=True, names=True)),
                id="report-list",
            )
            with Vertical(id="report"):
                yield PageView()

    def on_screen_resume(self) -> None:
        self._look_for_reports()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "list" and not self.has_class("-reading"):
            return False
        return super().check_action(action, parameters)

    @on(KeyedTable.RowSelected, "#report-list")
    def _selected(self) -> None:
        report = self._listed.get(self._list.cursor_key or "")
        if report is not None:
            self._show(report)
            self._read_on()

    @on(KeyedTable.RowHighlighted, "#report-list")
    def _highlighted(self) -> None:
        """Where both have room the report under the cursor is shown at once."""
        report = self._listed.get(self._list.cursor_key or "")
        if report is not None and report.path != self._open and self.size.width >= BESIDE:
            self._show(report)

    @on(PageView.Resized)
    def _resized(self) -> None:
        if self._lay is not None:
            self._lay_out(self._lay, self._open, True)

    @property
    def _list(self) -> KeyedTable:
        return self.query_one("#report-list", KeyedTable)

    def action_look(self) -> None:
        self.post_message(RefreshAsked())
        self._look_for_reports()

    def action_list(self) -> None:
        self.remove_class("-reading")
        self.refresh_bindings()
        self._list.focus()
        if self.size.width < BESIDE:
            self._say(*self._count)

    def action_new_report(self) -> None:
        if self._making:
            self.post_message(Told("a report is being made already", trouble=True))
        else:
            self._make()

    def action_compare(self) -> None:
        """The runs of two marked rows, the first mark before the second; of one mark with the row under the cursor."""
        table = self._list
        keys = table.marks if len(table.marks) != 1 else (*table.marks, table.cursor_key or "")
        runs = list(dict.fromkeys(self._listed[key].run for key in keys if key in self._listed))
        if len(runs) == 2:
            self._compare(*runs)
        else:
            self.post_message(Told("mark the rows of two runs (space); v then compares them", trouble=True))

    def _read_on(self) -> None:
        """Go to the text, which is alone on a narrow screen."""
        self.add_class("-reading")
        self.refresh_bindings()
        self.query_one(PageView).focus()

    def _show(self, report: ReportFile) -> None:
        self._open = report.path
        self.workers.cancel_group(self, "report-text")  # what was asked for before must not come after this
        if report.name:
            self._read(report)
        elif report.trouble:
            self._head(f"{report.trouble}: {report.path}", Tone.WARN)
            self._put(_nothing, report.path)
        else:
            new = "n makes one" if report.run == self._files.run else f"tau2tui --run {report.run} report makes one"
            self._head(f"{report.run}: no report yet; {new}")
            self._put(lambda _: (((f"No report yet: {new}.", Tone.STRONG),),), report.path)

    @work(group="report-list", exclusive=True)
    async def _look_for_reports(self) -> None:
        try:
            self._list_them(await self._files.listed())
        except (Tau2TuiError, OSError) as error:
            self._say(f"the list of reports: {error}", Tone.WARN)

    def _list_them(self, listed: Listed) -> None:
        self._listed = {report.path: report for report in listed.reports}
        self._list.show_rows({path: _cells(report, self._files.run) for path, report in self._listed.items()})
        known = sum(1 for report in listed.reports if report.name)
        here = any(report.name for report in listed.reports if report.run == self._files.run)
        older = f"; {listed.not_looked_into} older runs are not listed" if listed.not_looked_into else ""
        words = "1 report" if known == 1 else f"{known} reports"
        self._count = (words if here else "No report yet: n makes one") + older, Tone.STRONG
        if self._lay is None:
            self._say(*self._count)
            self._highlighted()
        else:  # a text that is open, a comparison for one, is not taken away by a look at the list
            alone = self.size.width < BESIDE and not self.has_class("-reading")
            self._say(*(self._count if alone else self._of_text))

    @work(group="report-text", exclusive=True)
    async def _read(self, report: ReportFile) -> None:
        self._head(f"{report.run}  {report.name}")
        try:
            source = await self._files.read(report)
        except FileNotFoundError:
            self._head(f"it is gone; r looks again: {report.path}", Tone.WARN)
            self._put(_nothing, "")
            return
        except (Tau2TuiError, OSError) as error:
            self._head(f"{error}: {report.path}", Tone.WARN)
            self._put(_nothing, "")
            return

        def lay(width: int) -> Sequence[Line]:
            from tau2tui.tui.markdown_lines import markdown_lines

            return markdown_lines(source, width)

        self._put(lay, report.path)

    @work(group="report-text", exclusive=True)
    async def _compare(self, a: str, b: str) -> None:
        self._open = ""
        self._head(f"◐ comparing {a} with {b}: their logs are read", Tone.BUSY)
        self._read_on()
        try:
            words = await self._files.compared(a, b)
        except (Tau2TuiError, OSError) as error:
            self._head(f"not compared: {error}", Tone.WARN)
            self._put(_nothing, "")
            return

        def lay(width: int) -> Sequence[Line]:
            from tau2tui.tui.markdown_lines import plain_text_lines

            return plain_text_lines(words, width)

        self._head(f"A {a} compared with B {b}")
        self._put(lay, "")

    @work(group="report-making", exclusive=True)
    async def _make(self) -> None:
        self._making = True
        self._say(*self._said)
        try:
            written = await self._files.make()
        except (Tau2TuiError, OSError) as error:
            self.post_message(Told(f"no report was made: {error}", trouble=True))
            return
        finally:
            self._making = False
            self._say(*self._said)
        self.post_message(Told(f"written: {written}"))
        try:
            self._list_them(await self._files.listed())
        except (Tau2TuiError, OSError) as error:
            self._say(f"the list of reports: {error}", Tone.WARN)
            return
        self._list.goto(written.name)
        report = self._listed.get(self._list.cursor_key or "")
        if report is not None and report.name == written.name:
            self._show(report)

    def _put(self, lay: Lay, path: str) -> None:
        self._lay = lay
        self._lay_out(lay, path, False)

    @work(group="report-lines", exclusive=True)
    async def _lay_out(self, lay: Lay, path: str, keep_place: bool) -> None:
        view = self.query_one(PageView)
        width = max(20, view.scrollable_content_region.width)
        view.show_lines(await asyncio.to_thread(lay, width), path, keep_place=keep_place)

    def _head(self, words: str, tone: Tone = Tone.STRONG) -> None:
        """Say something of the text that is open, as long as it is."""
        self._of_text = words, tone
        self._say(words, tone)

    def _say(self, words: str, tone: Tone = Tone.STRONG) -> None:
        """What is shown; or, as long as a report is being made, that."""
        self._said = (words, tone)
        making = f"◐ a report of {self._files.run} is being made: logs are read, tables and charts drawn"
        self.query_one("#report-title", Static).update(text((making, Tone.BUSY) if self._making else (words, tone)))


def _nothing(_: int) -> Sequence[Line]:
    return ()


def _cells(report: ReportFile, current: str) -> tuple[Cell, ...]:
    tone = Tone.STRONG if report.run == current else Tone.PLAIN if report.name else Tone.MUTED
    without = "not readable" if report.trouble else UNKNOWN if report.name else "none yet"
    written = f"{report.written:%Y-%m-%d %H:%M}" if report.written else without
    at = report.written.timestamp() if report.written else None
    return (Cell(written, Tone.PLAIN if report.name else Tone.MUTED, at), Cell(report.run, tone))
