"""The inbox (I): what happened since the app was opened, the newest on top; Enter goes there."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from tau2tui.core.notices import Weight
from tau2tui.tui.actions import bindings
from tau2tui.tui.format import Cell, Tone
from tau2tui.tui.messages import JumpAsked
from tau2tui.tui.news import Entry
from tau2tui.tui.widgets.columns import ALWAYS, Column
from tau2tui.tui.widgets.keyed_table import KeyedTable

_WEIGHTS = {Weight.BAD: ("✖", Tone.BAD), Weight.WARN: ("▲", Tone.WARN), Weight.GOOD: ("●", Tone.OK)}


class InboxScreen(ModalScreen[None]):
    """Notices; those that nobody has looked at yet are marked as new."""

    BINDING_GROUP_TITLE = "Inbox"
    BINDINGS: ClassVar[list[BindingType]] = bindings("Inbox")

    def __init__(self, told: Sequence[Entry]) -> None:
        super().__init__()
        self._told = {str(each.number): each for each in reversed(told)}

    def compose(self) -> ComposeResult:
        with Vertical(id="sheet") as sheet:
            sheet.border_title = "Inbox" if self._told else "Inbox: nothing has happened yet"
            sheet.border_subtitle = "⏎ goes there, q closes"
            yield KeyedTable(
                (
                    Column("TIME", 8, ALWAYS),
                    Column("", 3, ALWAYS),
                    Column("WHAT", 20, ALWAYS, most=300, flexible=True),
                ),
                id="menu",
            )

    def on_mount(self) -> None:
        table = self.query_one(KeyedTable)
        table.show_rows({number: _cells(told) for number, told in self._told.items()})
        table.focus()

    @on(KeyedTable.RowSelected)
    def _chosen(self, event: KeyedTable.RowSelected) -> None:
        event.stop()
        notice = self._told[event.table.cursor_key or ""].notice
        key = notice.names[0] if len(notice.names) == 1 else ""
        self.app.post_message(JumpAsked(notice.view, key if notice.view in ("fleet", "jobs") else ""))
        self.dismiss()


def _cells(told: Entry) -> tuple[Cell, ...]:
    glyph, tone = _WEIGHTS[told.notice.weight]
    when = time.strftime("%H:%M:%S", time.localtime(told.notice.at))
    return (
        Cell(when, Tone.MUTED, told.notice.at),
        Cell(glyph if told.reviewed else f"{glyph} *", tone),
        Cell(told.notice.words, Tone.MUTED if told.reviewed else Tone.PLAIN),
    )
