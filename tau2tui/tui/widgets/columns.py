"""The columns of a table: what there is room for, how wide each is, and a cell in its width. Knows no widget."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len, set_cell_size

from tau2tui.tui.format import Cell, middle_cut, printable

ALWAYS = 1000
PADDING = 1
"""Blanks at each side of a cell."""
Layout = tuple[tuple[int, int], ...]
"""The columns that are shown, by index, with their widths."""


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
    flashes: bool = False
    """Whether a change is worth a moment's mark: of a state, not of a number that changes all the time."""
    names: bool = False
    """Too long ones are cut in the middle: names of models and tasks differ at both ends."""


class Columns:
    """Columns as they were declared, and how much room their cells have needed so far."""

    def __init__(self, declared: Sequence[Column]) -> None:
        self.declared = tuple(declared)
        self._least: list[int] = []
        self._widths: list[int] = []
        self.measure_anew(())

    def retitle(self, index: int, title: str) -> None:
        """Give a column another title, and the room for it."""
        column = replace(self.declared[index], title=title)
        self.declared = (*self.declared[:index], column, *self.declared[index + 1 :])
        self._least[index] = _least(column)
        self._widths[index] = max(self._widths[index], self._least[index])

    def measure(self, rows: Iterable[Sequence[Cell]]) -> None:
        """Let columns grow to what these need."""
        for cells in rows:
            for index, cell in enumerate(cells):
                length = len(cell.text) if cell.text.isascii() else cell_len(printable(cell.text))
                if length > self._widths[index]:
                    self._widths[index] = min(length, max(self.declared[index].most, self._least[index]))

    def measure_anew(self, rows: Iterable[Sequence[Cell]]) -> None:
        """Let columns shrink, too, to what these need."""
        self._least = [_least(column) for column in self.declared]
        self._widths = list(self._least)
        self.measure(rows)

    def fitting(self, room: int) -> Layout:
        """What there is room for in so many cells: the columns with the lowest ranks go first."""
        shown = list(range(len(self.declared)))
        widths = [
            least if column.flexible else width
            for column, least, width in zip(self.declared, self._least, self._widths, strict=True)
        ]
        while (left := room - sum(widths[index] + 2 * PADDING for index in shown)) < 0:
            droppable = [index for index in shown if self.declared[index].keep < ALWAYS]
            if not droppable:
                break
            shown.remove(min(droppable, key=lambda index: self.declared[index].keep))
        for index in shown:
            if self.declared[index].flexible:
                grown = min(self._widths[index], widths[index] + max(0, left))
                left -= grown - widths[index]
                widths[index] = grown
        return tuple((index, widths[index]) for index in shown)

    def words(self, cell: Cell, index: int, width: int) -> str:
        """A cell of a column, cut or filled to this width."""
        column, words = self.declared[index], printable(cell.text)
        if words.isascii() and len(words) <= width:
            return words.rjust(width) if column.right else words.ljust(width)
        length = cell_len(words)
        if length > width:
            words = (
                printable(middle_cut(words, width))
                if column.names and words.isascii()
                else set_cell_size(words, width - 1) + printable("…")
            )
            length = cell_len(words)
        fill = " " * (width - length)
        return fill + words if column.right else words + fill


def column_at(layout: Layout, x: int) -> int | None:
    """The column that is drawn at this place of a line, by index; None beside all of them."""
    left = 0
    for index, width in layout:
        left += width + 2 * PADDING
        if x < left:
            return index
    return None


def _least(column: Column) -> int:
    return max(column.least, cell_len(column.title))
