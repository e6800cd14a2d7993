"""8 Sources: what is asked, how often and at what cost, how old the answers are; and every command that was run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Static

from tau2tui.ops import Ops
from tau2tui.tui.actions import bindings
from tau2tui.tui.format import Tone, text
from tau2tui.tui.messages import DetailAsked, Told
from tau2tui.tui.screens.detail import row_facts
from tau2tui.tui.screens.frame import Framed
from tau2tui.tui.sources import sources
from tau2tui.tui.widgets.command_table import CommandTable
from tau2tui.tui.widgets.keyed_table import KeyedTable
from tau2tui.tui.widgets.source_table import SourceTable
from tau2tui.tui.widgets.tab_line import View


class SourcesScreen(Framed):
    """The sources above, the commands below."""

    BINDING_GROUP_TITLE = "Sources"
    BINDINGS: ClassVar[list[BindingType]] = bindings("Sources")

    def __init__(self, view: View, views: Sequence[View], title: str, ops: Ops) -> None:
        super().__init__(view, views, title, ops)
        self._ops: Ops = ops

    def compose_body(self) -> ComposeResult:
        yield SourceTable()
        yield Static(id="commands-title", markup=False)
        yield CommandTable()

    def watch_now(self) -> None:
        super().watch_now()
        if self.in_sight:
            self.show()

    def on_screen_resume(self) -> None:
        self.show()  # its ages, too, have stood still meanwhile

    def action_pause(self) -> None:
        self._ops.paused = not self._ops.paused
        self.post_message(
            Told("nothing is asked by itself until P is pressed again" if self._ops.paused else "asking again")
        )
        self.show()

    @on(KeyedTable.RowSelected)
    def action_detail(self, event: KeyedTable.RowSelected | None = None) -> None:
        """Of the row that was opened; by key of the one in the table that has the focus."""
        table = event.table if event else self.focused
        if not isinstance(table, KeyedTable) or table.cursor_key is None:
            return
        facts = row_facts(table, table.cursor_key)
        self.post_message(DetailAsked(facts[1][1] if isinstance(table, SourceTable) else "command", facts))

    def show(self) -> None:
        ops = self._ops
        seen = zip(sources(ops.config, self.snapshot, self.now), (ops.polls["jobs"], ops.polls["run"]), strict=True)
        self.query_one(SourceTable).show_sources(seen, self.now, paused=ops.paused)
        records = ops.shell.commands.records
        self.query_one(CommandTable).show_commands(records)
        title = f" {len(records)} commands on {ops.shell.name}, the newest first: Y copies one to be typed again "
        self.query_one("#commands-title", Static).update(text((title, Tone.MUTED)))
