"""6 Logs: all logs of a run, and one of them, or several merged by time, from its end; live while it is looked at."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.reactive import reactive

from tau2tui.core.fleet import FleetRow
from tau2tui.errors import Tau2TuiError
from tau2tui.ops import Ops
from tau2tui.remote.logfiles import LogFiles
from tau2tui.tui.actions import bindings
from tau2tui.tui.format import Cell
from tau2tui.tui.log_catalog import KnownLog, catalog, neighbour, other_stream
from tau2tui.tui.log_findings import Diagnose, nothing
from tau2tui.tui.looking import Looking
from tau2tui.tui.messages import RefreshAsked, Told
from tau2tui.tui.screens.frame import Framed
from tau2tui.tui.widgets.keyed_table import KeyedTable
from tau2tui.tui.widgets.log_facts import Facts, LogFacts
from tau2tui.tui.widgets.log_list import LogList, writer_states
from tau2tui.tui.widgets.log_pane import LogPane
from tau2tui.tui.widgets.tab_line import View
from tau2tui.tui.windows import open_window

LIST_S = 5.0
"""How often it is looked for logs that are new."""
MOST_MERGED = 32


class LogsScreen(Framed):
    """The list of logs beside the open one; where there is no room for both, one at a time."""

    BINDING_GROUP_TITLE = "Logs"
    BINDINGS: ClassVar[list[BindingType]] = bindings("Logs")

    wanted: reactive[str] = reactive("", always_update=True)
    """The log to open."""

    def __init__(
        self,
        view: View,
        views: Sequence[View],
        title: str,
        ops: Ops | None,
        logs: LogFiles,
        *,
        diagnose: Diagnose = nothing,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """`diagnose` says what lines show; `environ` is that of this process, unless another is handed in."""
        super().__init__(view, views, title, ops)
        self._files, self._diagnose = logs, diagnose
        self._environ = os.environ if environ is None else environ
        self._more_errors = tuple(ops.config.error_patterns.values()) if ops else ()
        self._logs: tuple[KnownLog, ...] = ()
        self._states: dict[str, Cell] = {}
        self._fleet: dict[str, FleetRow] = {}
        self._looking = Looking()
        self._list_said = ""
        """What is wrong with the list, as of the last look."""

    def compose_body(self) -> ComposeResult:
        with Horizontal():
            yield LogList()
            yield LogPane(self._files, self._more_errors, self._diagnose)
            yield LogFacts()

    @property
    def pane(self) -> LogPane:
        return self.query_one(LogPane)

    @property
    def table(self) -> LogList:
        return self.query_one(LogList)

    def on_screen_resume(self) -> None:
        self._looking.begin()
        self.pane.looking.begin()
        self.show()
        self._list()

    def on_screen_suspend(self) -> None:
        self._looking.end()
        self.pane.looking.end()

    async def on_resize(self) -> None:
        self._show_facts()

    def show(self) -> None:
        """How the writers of the logs fare; as long as nobody looks, that can wait."""
        if self._ops is None or not self._looking.goes_on:
            return
        run, jobs = self.snapshot.run.value, self.snapshot.jobs.value
        rows = self._ops.fleet()
        self._fleet = {row.replica: row for row in rows}
        evaluation = run.evaluation if run else None
        self._states = writer_states(self._logs, rows, jobs or (), evaluation, old=self.old)
        self._show_list()

    def _show_list(self) -> None:
        self.table.show_logs(self._logs, self._states, self.now)
        self._show_facts()

    def watch_wanted(self, name: str) -> None:
        """Open a log at its end."""
        if name:
            self._open((name,))

    def _open(self, names: Sequence[str]) -> None:
        self.table.select(names[0])
        self.add_class("-reading")
        self.pane.open(names)
        self.refresh_bindings()

    @on(LogPane.Changed)
    def _show_facts(self) -> None:
        """What is beside the log, if there is room for it."""
        if not self.query(LogFacts) or not self.query(LogPane):
            return  # the app is being closed
        facts = self.query_one(LogFacts)
        if not facts.display or not self.pane.logs.names:
            return
        log = next((log for log in self._logs if log.name == self.pane.logs.names[0]), None)
        row = self._fleet.get(log.replica) if log and log.replica else None
        changed_at = log.entry.changed_at if log else None
        lines = self.pane.logs.shown.lines
        booked = self.pane.view.bookmarks
        facts.facts = Facts(
            log,
            self._states.get(log.name, Cell("")) if log else Cell(""),
            row.why if row and log and row.attempt == log.attempt else "",
            None if changed_at is None else max(0.0, self.now - changed_at),
            [each.text for each in lines if each.line.error],
            [words for notes in self.pane.logs.notes for said in notes.values() for words in said],
            [each.text for each in lines if (each.source, each.line.offset) in booked and not each.line.note],
        )

    @on(KeyedTable.RowSelected, "#log-list")
    def _chosen(self) -> None:
        self.wanted = self.table.cursor_key or ""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("sibling", "other_stream", "window") and not self.pane.logs.names:
            return False
        return super().check_action(action, parameters)

    def action_merge(self) -> None:
        """Open the marked logs as one; without marks, the newest attempts of the expert under the cursor."""
        names = [log.name for log in self._logs if log.name in self.table.marks] or self._of_one_expert()
        if len(names) < 2:
            self.post_message(Told("mark the logs to merge with the space bar, two at least", trouble=True))
        elif len(names) > MOST_MERGED:
            self.post_message(Told(f"{len(names)} logs are too many to merge; {MOST_MERGED} at most", trouble=True))
        else:
            self._open(names)

    def _of_one_expert(self) -> list[str]:
        own = next((log for log in self._logs if log.name == self.table.cursor_key), None)
        if own is None or not own.replica:
            return []
        newest: dict[str, str] = {}
        for log in self._logs:  # the newest attempt of each replica comes first
            if log.siblings == own.siblings:
                newest.setdefault(log.replica, log.name)
        return [*newest.values()]

    def action_sibling(self, step: int) -> None:
        """The log before or after among those of the same expert, or of the same kind."""
        name = neighbour(self._logs, self.pane.logs.names[0], step)
        if name is None:
            self.pane.say("there is no other log of its kind")
        else:
            self.wanted = name

    def action_other_stream(self) -> None:
        """From a job's output to its errors, and back."""
        name = other_stream(self._logs, self.pane.logs.names[0])
        if name is None:
            self.pane.say("only the output of a job has a standard error beside it")
        else:
            self.wanted = name

    @work(group="log-window")
    async def action_window(self) -> None:
        """`less +F` on the log in a window of its own, for those who want to keep it beside this program."""
        path = self._files.path_here(self.pane.logs.names[0])
        if path is None:
            self.post_message(Told("T is for logs on this machine; this one lies elsewhere", trouble=True))
            return
        trouble = await open_window(path.name[:20], ("less", "+F", str(path)), self._environ)
        said = f"{path.name} is followed in a new window (prefix n)"
        self.post_message(Told(trouble or said, trouble=bool(trouble)))

    def action_list(self) -> None:
        """One step back: out of a search or filter, then out of the log."""
        if self.pane.step_back():
            return
        self.remove_class("-reading")
        self.table.focus()

    def action_look(self) -> None:
        self.post_message(RefreshAsked())
        self._list()

    @work(group="log-list", exclusive=True)
    async def _list(self) -> None:
        """Look now, and then again and again: logs that were begun meanwhile show up by themselves."""
        await self._looking.repeat(self._look_for_logs, LIST_S)

    async def _look_for_logs(self) -> None:
        try:
            self._logs = catalog(await self._files.entries())
        except (Tau2TuiError, OSError) as error:
            self._say_of_list(f"the list of logs: {error}")
            return
        if self._ops is not None:
            self.show()
        else:
            self._show_list()
        opened = self.pane.logs.names[:1]
        if opened and self.table.cursor_key not in self.pane.logs.names and not self.table.has_focus:
            self.table.select(opened[0])
        self._say_of_list("" if self._logs else "There are no logs yet; r looks again.")

    def _say_of_list(self, words: str) -> None:
        """Above the log, where other things are said as well: only when it is something else than before."""
        if words != self._list_said:
            self._list_said = words
            self.pane.say(words)
