"""A table whose rows keep their names while everything moves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from rich.text import Text
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widgets.data_table import ColumnKey, RowKey

from tau2tui.tui.format import THEME, Cell, Tone
from tau2tui.tui.widgets.keyed_table import ALWAYS, Column, KeyedTable

COLUMNS = (
    Column("NAME", 8, ALWAYS),
    Column("WORDS", 4, 5, most=200, flexible=True, names=True),
    Column("COUNT", 5, 10, right=True),
)


class CountingTable(KeyedTable):
    """Counts how many cells are written."""

    written = 0

    def update_cell(
        self, row_key: RowKey | str, column_key: ColumnKey | str, value: Text, *, update_width: bool = False
    ) -> None:
        self.written += 1
        super().update_cell(row_key, column_key, value, update_width=update_width)


class TableApp(App[None]):
    def compose(self) -> ComposeResult:
        yield CountingTable(COLUMNS)

    def on_mount(self) -> None:
        self.register_theme(THEME)


@asynccontextmanager
async def table(width: int = 80) -> AsyncIterator[tuple[CountingTable, Pilot[None]]]:
    app = TableApp()
    async with app.run_test(size=(width, 10)) as pilot:
        yield app.query_one(CountingTable), pilot


def rows(names: Iterable[str], count: int = 0, words: str = "") -> dict[str, tuple[Cell, ...]]:
    return {name: (Cell(name), Cell(words), Cell(str(count))) for name in names}


def drawn(shown: KeyedTable) -> list[list[str]]:
    return [[str(cell) for cell in shown.get_row_at(row)] for row in range(shown.row_count)]


async def test_the_cursor_stays_on_its_row_when_rows_above_it_vanish() -> None:
    async with table() as (shown, pilot):
        shown.show_rows(rows("abcdef"))
        shown.move_cursor(row=3)
        assert shown.cursor_key == "d"
        shown.show_rows(rows("adf"))
        assert shown.cursor_key == "d"
        shown.show_rows(rows("fxyzda"))
        assert shown.cursor_key == "d"
        await pilot.press("j")
        assert shown.cursor_key == "a"


async def test_when_its_row_vanishes_the_cursor_stays_in_its_place() -> None:
    async with table() as (shown, _):
        shown.show_rows(rows("abc"))
        shown.move_cursor(row=2)
        shown.show_rows(rows("ab"))
        assert shown.cursor_key == "b"
        shown.show_rows({})
        assert shown.cursor_key is None


async def test_only_cells_that_changed_are_written() -> None:
    async with table() as (shown, _):
        shown.show_rows(rows("abc", 1))
        assert shown.written == 0
        shown.show_rows(rows("abc", 1))
        assert shown.written == 0
        shown.show_rows(rows("ac", 1) | rows("b", 2))  # another order
        shown.written = 0
        shown.show_rows(rows("ac", 1) | rows("b", 3))
        assert shown.written == 1
        assert drawn(shown)[2] == ["b", "", "3"]


async def test_a_change_of_tone_alone_is_drawn() -> None:
    async with table() as (shown, _):
        shown.show_rows({"a": (Cell("a"), Cell(""), Cell("1"))})
        shown.show_rows({"a": (Cell("a"), Cell(""), Cell("1", Tone.WARN))})
        assert shown.written == 1


async def test_columns_leave_by_rank_and_come_back() -> None:
    async with table(80) as (shown, pilot):
        shown.show_rows(rows("ab", 7, "words"))
        assert len(shown.columns) == 3
        await pilot.resize_terminal(18, 10)
        await pilot.pause()
        assert drawn(shown) == [["a", "7"], ["b", "7"]]
        await pilot.resize_terminal(12, 10)
        await pilot.pause()
        assert drawn(shown) == [["a"], ["b"]]
        await pilot.resize_terminal(80, 10)
        await pilot.pause()
        assert drawn(shown) == [["a", "words", "7"], ["b", "words", "7"]]


async def test_a_flexible_column_takes_what_is_left_and_cuts_names_in_the_middle() -> None:
    async with table(40) as (shown, pilot):
        shown.show_rows(rows("a", 7, "a-name-that-is-longer-than-the-room-for-it"))
        assert len(drawn(shown)[0][1]) == 40 - (8 + 2) - (5 + 2) - 2
        assert drawn(shown)[0][1] == "a-name-tha…oom-for-it"
        await pilot.resize_terminal(80, 10)
        await pilot.pause()
        assert drawn(shown)[0][1] == "a-name-that-is-longer-than-the-room-for-it"


async def test_markup_and_control_characters_are_shown_literally() -> None:
    async with table() as (shown, _):
        shown.show_rows({"a": (Cell("[b]x[/b]"), Cell("\x1b[31mred\n\x00"), Cell("0"))})
        assert drawn(shown)[0][:2] == ["[b]x[/b]", "�[31mred �"]


def test_a_cell_remembers_its_alignment() -> None:
    cell: Any = Cell("1").render(right=True)
    assert (cell.justify, cell.no_wrap, cell.overflow) == ("right", True, "ellipsis")
