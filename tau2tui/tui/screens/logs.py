"""6 Logs: all logs by name, and one of them from its end, live while it is looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.reactive import reactive
from textual.widgets import Input

from tau2tui.errors import Tau2TuiError
from tau2tui.ops import Ops
from tau2tui.remote.logfiles import LogFiles
from tau2tui.tui.actions import bindings
from tau2tui.tui.format import Cell
from tau2tui.tui.log_lines import LogLines, error_pattern, search_pattern
from tau2tui.tui.log_tail import LogFollower
from tau2tui.tui.screens.frame import Framed
from tau2tui.tui.widgets.keyed_table import ALWAYS, Column, KeyedTable
from tau2tui.tui.widgets.log_title import LogTitle
from tau2tui.tui.widgets.log_view import LogView
from tau2tui.tui.widgets.tab_line import View

FOLLOW_S = 1.0
"""How often the open log is looked at."""
LIST_S = 5.0
"""How often it is looked for logs that are new."""


class LogsScreen(Framed):
    """The list of logs beside the open one; where there is no room for both, one at a time."""

    BINDING_GROUP_TITLE = "Logs"
    BINDINGS: ClassVar[list[BindingType]] = bindings("Logs")

    wanted: reactive[str] = reactive("", always_update=True)
    """The log to open."""

    def __init__(self, view: View, views: Sequence[View], title: str, ops: Ops | None, logs: LogFiles) -> None:
        super().__init__(view, views, title, ops)
        self._logs = logs
        self._errors = error_pattern(ops.config.error_patterns.values() if ops else ())
        self._lines = LogLines(self._errors)
        self._looked_at = asyncio.Event()

    def compose_body(self) -> ComposeResult:
        with Horizontal():
            yield KeyedTable((Column("LOG", 24, ALWAYS, most=200, flexible=True, names=True),), id="log-list")
            with Vertical(id="log"):
                yield LogTitle()
                yield LogView()
                yield Input(placeholder="search; Enter keeps, Esc clears", id="search", compact=True)

    def on_mount(self) -> None:
        self.watch(self.query_one(LogView), "follow", self._followed)

    def on_screen_resume(self) -> None:
        self._looked_at.set()
        self.action_look()

    def on_screen_suspend(self) -> None:
        self._looked_at.clear()

    def watch_wanted(self, name: str) -> None:
        """Open a log at its end."""
        if not name:
            return
        self._lines = LogLines(self._errors)
        view = self.query_one(LogView)
        view.follow = True
        view.show_lines([])
        title = self.query_one(LogTitle)
        title.log_name, title.bytes_in_all, title.unread, title.said = name, None, 0, ""
        self.query_one("#log-list", KeyedTable).select(name)
        self.add_class("-reading")
        self.refresh_bindings()
        view.focus()
        self._follow(LogFollower(self._logs, name))

    def _followed(self, follow: bool) -> None:
        self.query_one(LogTitle).following = follow

    @on(KeyedTable.RowSelected, "#log-list")
    def _chosen(self) -> None:
        self.wanted = self.query_one("#log-list", KeyedTable).cursor_key or ""

    @on(Input.Changed, "#search")
    def _typed(self, event: Input.Changed) -> None:
        self.query_one(LogView).marked = search_pattern(event.value)

    @on(Input.Submitted, "#search")
    def _searched(self) -> None:
        self._close_search()
        self._go_to(self.query_one(LogView).bottom_line + 1, -1)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("follow", "search", "found", "error", "wrap", "list") and not self.wanted:
            return False
        return super().check_action(action, parameters)

    def action_follow(self) -> None:
        view = self.query_one(LogView)
        if view.follow:
            view.follow = False
        else:
            view.action_scroll_end()

    def action_wrap(self) -> None:
        view = self.query_one(LogView)
        view.wrap = not view.wrap

    def action_search(self) -> None:
        self.add_class("-searching")
        self.query_one("#search").focus()

    def action_found(self, step: int) -> None:
        self._go_to(self.query_one(LogView).place, step)

    def action_error(self, step: int) -> None:
        view = self.query_one(LogView)
        number = self._lines.find(view.place, step)
        self._say("no error in what is loaded" if number is None else "")
        if number is not None:
            view.go_to(number)

    def action_list(self) -> None:
        """One step back: out of the search, then out of the log."""
        view = self.query_one(LogView)
        if self.has_class("-searching") or view.marked:
            self.query_one("#search", Input).value = ""
            self._close_search()
            return
        self.remove_class("-reading")
        self.query_one("#log-list").focus()

    def action_look(self) -> None:
        self._list()

    def _go_to(self, start: int, step: int) -> None:
        """Go to the hit next to a line."""
        view = self.query_one(LogView)
        if view.marked is None:
            return
        number = self._lines.find(start, step, view.marked)
        hits = self._lines.count(view.marked)
        self._say(f"{hits} {'hit' if hits == 1 else 'hits'} in what is loaded")
        if number is not None:
            view.go_to(number)

    def _close_search(self) -> None:
        self.remove_class("-searching")
        self.query_one(LogView).focus()

    @work(group="log-list", exclusive=True)
    async def _list(self) -> None:
        """Look now, and then again and again: logs that were begun meanwhile show up by themselves."""
        while True:
            await self._looked_at.wait()
            await self._look_for_logs()
            await asyncio.sleep(LIST_S)

    async def _look_for_logs(self) -> None:
        try:
            names = await self._logs.names()
        except (Tau2TuiError, OSError) as error:
            self._say(f"the list of logs: {error}")
            return
        table = self.query_one("#log-list", KeyedTable)
        table.show_rows({name: (Cell(name),) for name in names})
        if table.cursor_key != self.wanted and not table.has_focus:
            table.select(self.wanted)
        if not names:
            self._say("There are no logs yet; r looks again.")

    @work(group="log", exclusive=True)
    async def _follow(self, follower: LogFollower) -> None:
        """While the screen is looked at: what is new in the log; what a paused view would lose is left unread."""
        view, title, lines = self.query_one(LogView), self.query_one(LogTitle), self._lines
        opened = False
        while True:
            await self._looked_at.wait()
            try:
                if view.follow or not opened:
                    news = await follower.more()
                    opened, title.bytes_in_all, title.unread = True, news.size, 0
                    if news.note:
                        lines.note(news.note)
                    lines.feed(news.data)
                    if news.note or news.data:
                        view.show_lines(lines.lines)
                else:
                    title.unread = await follower.unread()
            except FileNotFoundError:
                self._say("the file is gone")
            except (Tau2TuiError, OSError) as error:
                self._say(str(error))
            await asyncio.sleep(FOLLOW_S)

    def _say(self, words: str) -> None:
        self.query_one(LogTitle).said = words
