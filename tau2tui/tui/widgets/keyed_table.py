"""A table whose rows have names: a refresh changes cells, never the row under the cursor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from tau2tui.tui.format import Cell, Tone, middle_cut, printable


@dataclass(frozen=True, slots=True)
class Column:
    """A column and what happens to it when there is little room."""

    title: str
    least: int
    """Width from the start, so that the columns do not move with every value."""
    keep: int
    """The column with the lowest rank goes first; ALWAYS never goes."""
    right: bool = False
    most: int = 60
    flexible: bool = False
    """Counts with `least` when room is shared out, and then takes what is left of it, up to what it needs."""
    names: bool = False
    """Too long ones are cut in the middle: names of models and tasks differ at both ends."""


ALWAYS = 1000
Rows = Mapping[str, Sequence[Cell]]


class KeyedTable(DataTable[Text]):
    """Rows by key, cells in the order of the columns; what does not fit is left out by declared rank."""

    BINDING_GROUP_TITLE = "Table"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", "Down", id="table.down", tooltip="One row down, as ↓", show=False),
        Binding("k", "cursor_up", "Up", id="table.up", tooltip="One row up, as ↑", show=False),
        Binding("g", "scroll_top", "First", id="table.first", tooltip="To the first row", show=False),
        Binding("G", "scroll_bottom", "Last", id="table.last", tooltip="To the last row", show=False),
        Binding("ctrl+d", "page_down", "Page down", id="table.page-down", tooltip="One page down", show=False),
        Binding("ctrl+u", "page_up", "Page up", id="table.page-up", tooltip="One page up", show=False),
    ]

    def __init__(self, columns: Sequence[Column], *, id: str | None = None) -> None:  # noqa: A002 - Textual's own name
        super().__init__(id=id, cursor_type="row", cell_padding=1)
        self._all = tuple(columns)
        self._widths = [max(column.least, cell_len(column.title)) for column in columns]
        self._wanted: Rows = {}
        self._drawn: dict[str, tuple[Cell, ...]] = {}
        self._layout: tuple[tuple[int, int], ...] = ()

    @property
    def cursor_key(self) -> str | None:
        """The key of the row under the cursor; None for an empty table."""
        keys = tuple(self._drawn)
        return keys[self.cursor_row] if 0 <= self.cursor_row < len(keys) else None

    def select(self, key: str) -> None:
        """Put the cursor on a row, if there is one of that name."""
        if key in self._drawn:
            self.move_cursor(row=list(self._drawn).index(key), animate=False)

    def show_rows(self, rows: Rows) -> None:
        """Show these rows in this order; the cursor stays on its row, wherever that moves."""
        self._wanted = rows
        for cells in rows.values():
            for index, cell in enumerate(cells):
                self._widths[index] = max(
                    self._widths[index], min(cell_len(printable(cell.text)), self._all[index].most)
                )
        if self.size.width:
            self._draw()

    def on_resize(self, event: events.Resize) -> None:
        self._widths = [max(column.least, cell_len(column.title)) for column in self._all]
        self.show_rows(self._wanted)

    def _draw(self) -> None:
        layout = self._fit()
        wanted = {key: tuple(cells) for key, cells in self._wanted.items()}
        if layout != self._layout or list(wanted) != list(self._drawn):
            self._rebuild(layout, wanted)
            return
        for key, cells in wanted.items():
            for index, width in layout:
                if cells[index] != self._drawn[key][index]:
                    self.update_cell(key, str(index), self._cell(cells, index, width))
        self._drawn = wanted

    def _fit(self) -> tuple[tuple[int, int], ...]:
        """The columns that there is room for, by index, with their widths."""
        room = self.scrollable_content_region.width
        shown = list(range(len(self._all)))
        widths = [
            max(column.least, cell_len(column.title)) if column.flexible else width
            for column, width in zip(self._all, self._widths, strict=True)
        ]
        while (left := room - sum(widths[index] + 2 * self.cell_padding for index in shown)) < 0:
            droppable = [index for index in shown if self._all[index].keep < ALWAYS]
            if not droppable:
                break
            shown.remove(min(droppable, key=lambda index: self._all[index].keep))
        for index in shown:
            if self._all[index].flexible:
                grown = min(self._widths[index], widths[index] + max(0, left))
                left -= grown - widths[index]
                widths[index] = grown
        return tuple((index, widths[index]) for index in shown)

    def _cell(self, cells: Sequence[Cell], index: int, width: int) -> Text:
        cell, column = cells[index], self._all[index]
        words = middle_cut(cell.text, width) if column.names else cell.text
        return Cell(words, cell.tone).render(right=column.right)

    def _rebuild(self, layout: tuple[tuple[int, int], ...], wanted: dict[str, tuple[Cell, ...]]) -> None:
        key, row, top = self.cursor_key, self.cursor_row, self.scroll_offset.y
        with self.app.batch_update():
            if layout != self._layout:
                self.clear(columns=True)
                for index, width in layout:
                    title = Cell(self._all[index].title, Tone.MUTED).render(right=self._all[index].right)
                    self.add_column(title, width=width, key=str(index))
            else:
                self.clear()
            for name, cells in wanted.items():
                self.add_row(*(self._cell(cells, index, width) for index, width in layout), key=name)
            self._drawn, self._layout = wanted, layout
            if wanted:
                row = list(wanted).index(key) if key in wanted else min(row, len(wanted) - 1)
                self.move_cursor(row=row, animate=False, scroll=False)
                self.scroll_to(y=top, animate=False, immediate=True)
