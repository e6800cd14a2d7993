"""A table whose rows keep their names while everything moves."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

import pytest
from rich.cells import cell_len
from textual import on
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.pilot import Pilot

from tau2tui.tui.format import UNKNOWN, Cell, Tone
from tau2tui.tui.looks import theme_name, themes, wear
from tau2tui.tui.messages import CopyAsked, Told
from tau2tui.tui.widgets.columns import ALWAYS, Column
from tau2tui.tui.widgets.keyed_table import KeyedTable
from tests.tui.driving import until

pytestmark = pytest.mark.slow

COLUMNS = (
    Column("NAME", 8, ALWAYS),
    Column("WORDS", 4, 5, most=200, flexible=True, names=True),
    Column("COUNT", 5, 10, right=True),
)


class CountingTable(KeyedTable):
    """Remembers what of it is drawn again, and counts the times that all of it is."""

    FAULTS = "count>5"
    whole = 0
    parts: tuple[Region, ...] = ()

    def forget(self) -> None:
        self.parts, self.whole = (), 0

    @property
    def lines(self) -> int:
        return sum(part.height for part in self.parts)

    def refresh(
        self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False
    ) -> CountingTable:
        self.whole += not regions
        self.parts += regions
        super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)
        return self


class TableApp(App[None]):
    """The table alone, and what it says."""

    def __init__(self) -> None:
        super().__init__()
        wear("dark")
        for theme in themes():
            self.register_theme(theme)
        self.theme = theme_name("dark")
        self.copied: list[str] = []
        self.told: list[str] = []
        self.highlighted: list[str | None] = []
        self.opened: list[str | None] = []

    def compose(self) -> ComposeResult:
        yield CountingTable(COLUMNS)

    @on(CopyAsked)
    def _copied(self, event: CopyAsked) -> None:
        self.copied.append(event.words)

    @on(Told)
    def _told(self, event: Told) -> None:
        self.told.append(event.words)

    @on(KeyedTable.RowHighlighted)
    def _highlighted(self, event: KeyedTable.RowHighlighted) -> None:
        if type(event) is KeyedTable.RowHighlighted:
            self.highlighted.append(event.table.cursor_key)

    @on(KeyedTable.RowSelected)
    def _opened(self, event: KeyedTable.RowSelected) -> None:
        self.opened.append(event.table.cursor_key)


@asynccontextmanager
async def table(width: int = 80, height: int = 10) -> AsyncIterator[tuple[CountingTable, Pilot[None]]]:
    app = TableApp()
    async with app.run_test(size=(width, height)) as pilot:
        shown = app.query_one(CountingTable)
        shown.focus()
        await pilot.pause()
        yield shown, pilot


def rows(names: Iterable[str], count: int = 0, words: str = "") -> dict[str, tuple[Cell, ...]]:
    return {name: (Cell(name), Cell(words), Cell(str(count), value=count)) for name in names}


def counted(counts: Mapping[str, int | None]) -> dict[str, tuple[Cell, ...]]:
    return {
        name: (Cell(name), Cell(""), Cell(UNKNOWN if count is None else str(count), value=count))
        for name, count in counts.items()
    }


def drawn(shown: KeyedTable) -> list[list[str]]:
    return [shown.drawn_row(row) for row in range(shown.row_count)]


def names(shown: KeyedTable) -> str:
    return "".join(row[0] for row in drawn(shown))


def app_of(pilot: Pilot[None]) -> TableApp:
    assert isinstance(pilot.app, TableApp)
    return pilot.app


async def test_the_cursor_stays_on_its_row_when_rows_above_it_vanish() -> None:
    async with table() as (shown, pilot):
        shown.show_rows(rows("abcdef"))
        shown.select("d")
        shown.show_rows(rows("adf"))
        assert shown.cursor_key == "d"
        shown.show_rows(rows("fxyzda"))
        assert shown.cursor_key == "d"
        await pilot.press("j")
        assert shown.cursor_key == "a"
        assert app_of(pilot).highlighted[-1] == "a"


async def test_when_its_row_vanishes_the_cursor_stays_in_its_place() -> None:
    async with table() as (shown, pilot):
        shown.show_rows(rows("abc"))
        await pilot.pause()
        shown.select("c")
        await pilot.pause()
        shown.show_rows(rows("ab"))
        await pilot.pause()
        assert shown.cursor_key == "b"
        shown.show_rows({})
        await pilot.pause()
        assert app_of(pilot).highlighted == ["a", "c", "b", None]


async def test_the_row_under_the_cursor_stays_on_its_line_while_rows_come_above_it() -> None:
    async with table() as (shown, _):
        shown.show_rows(rows(f"{number:02}" for number in range(50)))
        shown.select("30")
        line = shown.cursor_row - shown.scroll_offset.y
        shown.show_rows(rows([f"new{number}" for number in range(7)]) | rows(f"{number:02}" for number in range(50)))
        assert shown.cursor_key == "30"
        assert shown.cursor_row - shown.scroll_offset.y == line


async def test_only_lines_in_sight_that_changed_are_drawn_again() -> None:
    async with table() as (shown, pilot):
        many = rows((f"{number:02}" for number in range(50)), 1)
        shown.show_rows(many)
        await pilot.pause()
        shown.forget()
        shown.show_rows(dict(many))
        assert (shown.lines, shown.whole) == (0, 0)
        shown.show_rows(many | rows(["03"], 2))
        assert (shown.lines, shown.whole) == (1, 0)
        assert drawn(shown)[3] == ["03", "", "2"]
        shown.show_rows(many | rows(["03"], 2) | rows(["44"], 2))
        assert (shown.lines, shown.whole) == (1, 0)


async def test_of_a_line_only_the_columns_are_drawn_again_that_look_otherwise() -> None:
    async with table() as (shown, pilot):
        many = rows("abcdef", 1)
        shown.show_rows(many)
        await pilot.pause()
        shown.forget()
        shown.show_rows(many | rows("bc", 2) | rows("e", 3))
        count = len(" NAME     ") + len(" WORDS ")
        assert shown.parts == (Region(count, 2, 7, 2), Region(count, 5, 7, 1))
        shown.forget()
        shown.show_rows(many | {name: (Cell(name), Cell(""), Cell("2", value=2.4)) for name in "bc"} | rows("e", 3))
        assert (shown.lines, shown.whole) == (0, 0), "it looks the same"


async def test_whatever_changes_is_drawn_again() -> None:
    """Each character that is another one, or another colour, lies in what is drawn again."""
    chance = random.Random(6)

    def some() -> dict[str, tuple[Cell, ...]]:
        return {
            name: (
                Cell(name),
                Cell(chance.choice(["", "é", "words", "日本", "longer words than there is room for in it " * 2])),
                Cell(str(chance.randrange(3)), chance.choice([Tone.PLAIN, Tone.WARN])),
            )
            for name in "abcdefghij"
        }

    def looks(shown: CountingTable) -> list[list[tuple[str, object]]]:
        lines = [shown.render_line(y) for y in range(shown.size.height)]
        return [[(mark, part.style) for part in line for mark in _by_column(part.text)] for line in lines]

    async with table(width=40, height=8) as (shown, pilot):
        shown.show_rows(some())
        in_part = 0
        for _ in range(40):
            await pilot.press("j")
            await pilot.pause()
            before = looks(shown)
            shown.forget()
            shown.show_rows(some())
            after = looks(shown)
            changed = {(x, y) for y, line in enumerate(after) for x, mark in enumerate(line) if mark != before[y][x]}
            assert changed
            in_part += not shown.whole
            assert shown.whole or all(any(part.contains(x, y) for part in shown.parts) for x, y in changed)
        assert in_part > 20


def _by_column(words: str) -> list[str]:
    """The character in each column; one that takes two has an empty one behind it."""
    return [column for mark in words for column in (mark, "")[: cell_len(mark)]]


async def test_a_change_of_tone_alone_is_drawn() -> None:
    async with table() as (shown, pilot):
        shown.show_rows({"a": (Cell("a"), Cell(""), Cell("1"))})
        await pilot.pause()
        shown.forget()
        shown.show_rows({"a": (Cell("a"), Cell(""), Cell("1", Tone.WARN))})
        assert shown.lines == 1


async def test_columns_leave_by_rank_and_come_back() -> None:
    async with table(80) as (shown, pilot):
        shown.show_rows(rows("ab", 7, "words"))
        assert drawn(shown) == [["a", "words", "7"], ["b", "words", "7"]]
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
        assert drawn(shown)[0][1] == "a-name-tha…oom-for-it"
        await pilot.resize_terminal(80, 10)
        await pilot.pause()
        assert drawn(shown)[0][1] == "a-name-that-is-longer-than-the-room-for-it"


async def test_markup_and_control_characters_are_shown_literally() -> None:
    async with table() as (shown, _):
        shown.show_rows({"a": (Cell("[b]x[/b]"), Cell("\x1b[31mred\n\x00"), Cell("0"))})
        assert drawn(shown)[0][:2] == ["[b]x[/b]", "�[31mred �"]


async def test_a_filter_leaves_what_matches_and_the_cursor_on_its_row() -> None:
    async with table() as (shown, _):
        shown.show_rows(counted({"a": 1, "b": 9, "c": None, "d": 7}))
        shown.select("d")
        shown.filter_by("count>5")
        assert (names(shown), shown.cursor_key) == ("bd", "d")
        shown.show_rows(counted({"a": 8, "b": 9, "c": None, "d": 7}))
        assert (names(shown), shown.cursor_key) == ("abd", "d")
        shown.filter_by("")
        assert names(shown) == "abcd"


async def test_one_key_leaves_the_rows_that_need_attention_and_brings_all_back() -> None:
    async with table() as (shown, pilot):
        shown.show_rows(counted({"a": 1, "b": 9}))
        await pilot.press("!")
        assert names(shown) == "b"
        await pilot.press("!")
        assert names(shown) == "ab"


async def test_rows_are_sorted_by_number_and_what_is_not_known_is_last_either_way() -> None:
    async with table() as (shown, pilot):
        shown.show_rows(counted({"a": 10, "b": 9, "c": None, "d": 100}))
        shown.action_sort_by("count")
        assert names(shown) == "badc"
        await pilot.press("O")
        assert names(shown) == "dabc"
        shown.show_rows(counted({"a": 1000, "b": 9, "c": None, "d": 100}))
        assert names(shown) == "adbc"
        shown.action_sort_by("")
        assert names(shown) == "abcd"
        shown.action_sort_by("nothing")
        await pilot.pause()
        assert app_of(pilot).told == ["no column 'nothing' here; there are name, words, count"]


async def test_a_click_on_a_title_sorts_and_another_turns_it_round() -> None:
    async with table() as (shown, pilot):
        shown.show_rows(counted({"b": 1, "a": 2}))
        await pilot.click(shown, offset=(2, 0))
        assert names(shown) == "ab"
        await pilot.click(shown, offset=(2, 0))
        assert names(shown) == "ba"


async def test_marks_survive_filters_and_go_with_their_rows() -> None:
    async with table() as (shown, pilot):
        chosen: list[str] = []

        def look() -> list[str]:
            chosen[:] = shown.chosen
            return chosen

        shown.show_rows(counted(dict.fromkeys("abcdef", 1) | {"b": 9}))
        await pilot.press("space", "j", "j", "V")
        assert look() == ["a", "b", "c", "d"]
        shown.filter_by("count>5")
        assert look() == ["a", "b", "c", "d"]
        shown.show_rows(counted(dict.fromkeys("acdef", 1)))
        assert look() == ["a", "c", "d"]
        await pilot.press("u")
        assert look() == []
        shown.filter_by("")
        await pilot.press("*")
        assert look() == ["a", "c", "d", "e", "f"]


async def test_names_and_rows_are_copied_with_the_columns_that_are_not_shown() -> None:
    async with table(12) as (shown, pilot):
        shown.show_rows(rows("ab", 7, "words"))
        await pilot.press("j", "y", "Y")
        assert app_of(pilot).copied == ["b", "b\twords\t7"]
        await pilot.press("*", "Y")
        assert app_of(pilot).copied[-1] == "a\twords\t7\nb\twords\t7"


async def test_enter_and_a_double_click_open_a_row() -> None:
    async with table() as (shown, pilot):
        shown.show_rows(rows("abc"))
        await pilot.press("enter")
        await pilot.click(shown, offset=(2, 3), times=2)
        assert app_of(pilot).opened == ["a", "c"]


async def test_going_to_a_row_that_a_filter_hides_shows_all_rows() -> None:
    async with table() as (shown, _):
        shown.show_rows(rows(["alpha", "beta"]))
        shown.filter_by("alpha")
        assert shown.goto("bet")
        assert shown.cursor_key == "beta"
        assert not shown.goto("gamma")


class StateApp(App[None]):
    """A table in which a change of the state is news, and one of the number is not."""

    def compose(self) -> ComposeResult:
        yield KeyedTable((Column("STATE", 8, ALWAYS, flashes=True), Column("COUNT", 5, ALWAYS, right=True)))


def reversed_words(table: KeyedTable) -> list[str]:
    """What is drawn in reverse, below the titles and the cursor's row."""
    lines = [table.render_line(y) for y in range(2, 1 + table.row_count)]
    return [part.text.strip() for line in lines for part in line if part.style and part.style.reverse]


async def test_a_state_that_changes_is_marked_for_a_moment_and_a_number_is_not() -> None:
    wear("dark")
    app = StateApp()
    async with app.run_test() as pilot:
        table = app.query_one(KeyedTable)
        calm = {name: (Cell("ready", Tone.OK), Cell("1", value=1)) for name in ("a", "b", "c")}
        table.show_rows(calm)
        assert reversed_words(table) == []
        table.show_rows({**calm, "b": (Cell("failed", Tone.BAD), Cell("2", value=2)), "c": (calm["c"][0], Cell("9"))})
        assert reversed_words(table) == ["failed"]
        await until(pilot, lambda: reversed_words(table) == [])


async def test_doubt_is_no_news_and_without_colours_nothing_flashes() -> None:
    app = StateApp()
    async with app.run_test():
        table = app.query_one(KeyedTable)
        for look, before, after in (
            ("dark", Cell("ready", Tone.OK), Cell("ready?", Tone.MUTED)),
            ("mono", Cell("busy", Tone.BUSY), Cell("stopping", Tone.WARN)),
        ):
            wear(look)
            table.show_rows({"a": (before, Cell("1")), "b": (before, Cell("1"))})
            table.show_rows({"a": (before, Cell("1")), "b": (after, Cell("1"))})
            assert reversed_words(table) == []
    wear("dark")


async def test_a_filter_finds_what_rows_say_now_and_not_what_they_said_before() -> None:
    wear("dark")
    app = StateApp()
    async with app.run_test():
        table = app.query_one(KeyedTable)
        table.show_rows({"a": (Cell("Ready"), Cell("1")), "b": (Cell("failed"), Cell("2"))})
        table.filter_by("ready")
        assert table.row_count == 1
        table.show_rows(
            {"a": (Cell("lost"), Cell("1")), "b": (Cell("ready"), Cell("2")), "c": (Cell("ready"), Cell("3"))}
        )
        assert [table.drawn_row(row)[1] for row in range(table.row_count)] == ["2", "3"]
        table.show_rows({"c": (Cell("ready"), Cell("3"))})
        table.show_rows({"a": (Cell("ready"), Cell("1")), "c": (Cell("gone"), Cell("3"))})
        assert [table.drawn_row(row)[1] for row in range(table.row_count)] == ["1"]
