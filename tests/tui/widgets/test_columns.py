"""How columns share out the room that there is."""

from __future__ import annotations

import pytest

from tau2tui.tui.format import Cell
from tau2tui.tui.widgets.columns import ALWAYS, Column, Columns, column_at

COLUMNS = (Column("NAME", 6, ALWAYS, flexible=True, names=True), Column("NOTE", 4, 10), Column("N", 3, 20, right=True))


def columns(*rows: tuple[str, str, str]) -> Columns:
    made = Columns(COLUMNS)
    made.measure([tuple(map(Cell, row)) for row in rows])
    return made


def test_the_lowest_rank_goes_first_and_what_is_flexible_takes_what_is_left() -> None:
    made = columns(("a-long-name", "", ""))
    assert made.fitting(100) == ((0, 11), (1, 4), (2, 3))
    assert made.fitting(19) == ((0, 6), (1, 4), (2, 3))
    assert made.fitting(18) == ((0, 11), (2, 3))
    assert made.fitting(3) == ((0, 6),)


def test_a_new_title_has_the_room_that_it_needs_and_keeps_it() -> None:
    made = columns(("x", "", ""))
    made.retitle(2, "<12.345s")
    assert made.fitting(100)[2] == (2, 8)
    made.measure_anew([])
    assert made.fitting(100)[2] == (2, 8)
    made.retitle(2, "<5s")
    made.measure_anew([])
    assert made.fitting(100)[2] == (2, 3)


@pytest.mark.parametrize(
    ("index", "text", "width", "words"),
    [
        (0, "abcdefghij", 7, "abc…hij"),
        (1, "abcdefghij", 7, "abcdef…"),
        (2, "5", 3, "  5"),
        (1, "模型模型", 5, "模型…"),
        (1, "模型", 5, "模型 "),
    ],
)
def test_a_cell_is_as_wide_as_its_column(index: int, text: str, width: int, words: str) -> None:
    assert columns().words(Cell(text), index, width) == words


def test_the_column_at_a_place_is_the_one_drawn_there() -> None:
    layout = ((0, 6), (2, 3))
    assert [column_at(layout, x) for x in (0, 7, 8, 12, 13)] == [0, 0, 2, 2, None]
