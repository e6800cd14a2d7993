"""Everything about one thing, in full: nothing is cut, and all of it can be copied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.table import Table
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from tau2tui.tui.actions import bindings
from tau2tui.tui.format import Tone, text
from tau2tui.tui.messages import CopyAsked
from tau2tui.tui.screens.sheet import Sheet
from tau2tui.tui.widgets.keyed_table import KeyedTable


class DetailScreen(Sheet[None]):
    """Names and values, below each other."""

    BINDING_GROUP_TITLE = "Detail"
    BINDINGS: ClassVar[list[BindingType]] = bindings("Detail")

    def __init__(self, title: str, facts: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._heading, self._facts = title, tuple((name, value) for name, value in facts if value)

    def compose(self) -> ComposeResult:
        with Vertical(id="sheet") as sheet:
            sheet.border_title = text(self._heading)
            sheet.border_subtitle = "y copies, q closes"
            with VerticalScroll(can_focus=True):
                yield Static(self._body())

    def action_copy(self) -> None:
        self.post_message(CopyAsked("\n".join(f"{name}\t{value}" for name, value in self._facts)))

    def _body(self) -> Table:
        """The names in a column of their own, so that a long value does not run on below them."""
        body = Table.grid(padding=(0, 2, 0, 0))
        body.add_column(no_wrap=True)
        body.add_column(overflow="fold")
        for name, value in self._facts:
            words = text(value)
            words.no_wrap, words.overflow = False, "fold"
            body.add_row(text((name, Tone.MUTED)), words)
        return body


def row_facts(table: KeyedTable, key: str) -> list[tuple[str, str]]:
    """All cells of a row, also those that there is no room for, by the titles of their columns."""
    return list(zip((column.title.lower() for column in table.columns), table.cells(key), strict=True))
