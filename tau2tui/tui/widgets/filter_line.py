"""Below a table: the filter that is typed, or what filter, order and marks do to the rows; there only if they do."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.widgets import Input, Static

from tau2tui.core.filter import FilterError
from tau2tui.tui.actions import bindings
from tau2tui.tui.format import Tone, text
from tau2tui.tui.widgets.keyed_table import KeyedTable


class FilterLine(Horizontal):
    """Enter keeps a filter, Esc takes it away."""

    BINDING_GROUP_TITLE = "Filter"
    BINDINGS: ClassVar[list[BindingType]] = bindings("Filter")

    def __init__(self) -> None:
        super().__init__()
        self._table: KeyedTable | None = None
        self._says: tuple[str, ...] = ()

    def compose(self) -> ComposeResult:
        yield Static("/", id="filter-mark", markup=False)
        yield Input(id="filter", compact=True)
        yield Static(id="filter-says", markup=False)

    def open(self, table: KeyedTable) -> None:
        """Type a filter for this table."""
        self._table = table
        entry = self.query_one(Input)
        titles = " ".join(f"{column.title.lower()}:" for column in table.columns)
        entry.placeholder = f"words, !not, /regex/, {titles} … > <"
        with self.prevent(Input.Changed):
            entry.value = table.wanted.words
        self.add_class("-typing")
        self.screen.set_focus(entry)  # now: `focus` would come after keys that were pressed already

    def describe(self, table: KeyedTable) -> None:
        """Say what is done to the rows of a table."""
        parts = []
        if table.wanted.words:
            parts.append(f"{table.row_count} of {table.row_count_in_all} match {table.wanted.words}")
        if table.order.column is not None:
            direction = "falling" if table.order.reverse else "rising"
            parts.append(f"by {table.columns[table.order.column].title.lower()}, {direction}")
        if table.marks:
            parts.append(f"{len(table.marks)} marked")
        if self._says == (says := tuple(parts)):
            return
        self._says = says
        self.set_class(bool(parts), "-arranged")
        hint = "   Esc shows all, u takes marks away" if parts else ""
        self.query_one("#filter-says", Static).update(text(("  ·  ".join(parts), Tone.ACCENT), (hint, Tone.MUTED)))

    @on(Input.Changed, "#filter")
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        if self.has_class("-typing"):
            self._try(event.value)

    @on(Input.Submitted, "#filter")
    def _kept(self, event: Input.Submitted) -> None:
        event.stop()
        if self._try(event.value):
            self._close()

    def action_clear(self) -> None:
        if self._table is not None:
            self._table.filter_by("")
        self._close()

    def _try(self, words: str) -> bool:
        if self._table is None:
            return True
        try:
            self._table.filter_by(words)
        except FilterError as error:
            self._says = (str(error),)
            self.query_one("#filter-says", Static).update(text((f"  {error}", Tone.WARN)))
            return False
        self.describe(self._table)  # now, and not when it tells of it: so that all is laid out and drawn once
        return True

    def _close(self) -> None:
        self.remove_class("-typing")
        if self._table is not None:
            self.screen.set_focus(self._table)
            self.describe(self._table)
