"""A table whose rows have names: a refresh changes what is drawn, never the row under the cursor.

Textual's own table repaints everything at each change and takes a second for 5000 rows; here only the lines in sight
are drawn, and only those that differ are drawn again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Protocol, runtime_checkable

from rich.cells import set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.timer import Timer

from tau2tui.core.filter import Filter, FilterError, parse_filter
from tau2tui.tui.actions import bindings
from tau2tui.tui.format import STYLES, UNKNOWN, Cell, Tone, printable
from tau2tui.tui.messages import CopyAsked, Told
from tau2tui.tui.widgets.columns import PADDING, Column, Columns, Layout, column_at
from tau2tui.tui.widgets.scrolled import Scrolled

HEADER_LINES = 1
_MEASURED_AFTER_S = 0.2
_FLASH_S = 1.0
_FLASH = Style(reverse=True)
Rows = Mapping[str, Sequence[Cell]]


@dataclass(frozen=True, slots=True)
class Order:
    """How rows are sorted: by a column, or as they came (None)."""

    column: int | None = None
    reverse: bool = False


@runtime_checkable
class Filtering(Protocol):
    """A screen on which a filter can be typed. It is called and not told: the next key is already the filter's."""

    def type_filter(self, table: KeyedTable) -> None:
        """Let a filter for this table be typed."""
        ...


class KeyedTable(Scrolled, can_focus=True):
    """Rows by key, cells in the order of the columns; what does not fit is left out by declared rank."""

    BINDING_GROUP_TITLE = "Rows"
    BINDINGS: ClassVar[list[BindingType]] = bindings("Rows")
    COMPONENT_CLASSES: ClassVar[set[str]] = {"table--cursor", "table--header"}
    FAULTS: ClassVar[str] = ""
    """The filter that leaves the rows that need attention; empty where there is none."""

    cursor_row: reactive[int] = reactive(0)
    """The place of the cursor among the rows that are shown."""

    @dataclass
    class RowHighlighted(Message):
        """Another row is under the cursor, or none."""

        table: KeyedTable

        @property
        def control(self) -> KeyedTable:
            return self.table

    class RowSelected(RowHighlighted):
        """The row under the cursor is to be opened."""

    class Arranged(RowHighlighted):
        """Filter, order or marks have changed, or how many rows they leave."""

    def __init__(self, columns: Sequence[Column], *, id: str | None = None) -> None:  # noqa: A002 - Textual's own name
        super().__init__(id=id)
        self._columns = Columns(columns)
        self.order = Order()
        self.wanted = Filter("")
        self.marks: tuple[str, ...] = ()
        """Keys of the marked rows, in the order in which they were marked; rows that are hidden keep theirs."""
        self._rows: dict[str, tuple[Cell, ...]] = {}
        self._said: dict[str, str] = {}
        """What rows say, in small letters: of those that a filter has looked through as they are now."""
        self._shown: list[str] = []
        self._layout: Layout = ()
        self._told: str | None = None
        self._measuring: Timer | None = None
        self._flashing = tuple(index for index, column in enumerate(self.columns) if column.flashes)
        self._flashed: set[tuple[str, int]] = set()
        """Cells that changed a moment ago, by row and column."""
        self._expected: tuple[str, tuple[str, ...]] = ("", ())
        self._made_styles: dict[tuple[Tone, bool, bool], Style] = {}
        """Styles that this drawing has needed so far: by tone, whether under the cursor, whether flashed."""

    # what it holds

    @property
    def columns(self) -> tuple[Column, ...]:
        return self._columns.declared

    def retitle(self, index: int, title: str) -> None:
        """Give a column another title."""
        if self.columns[index].title != title:
            self._columns.retitle(index, title)
            self._show(self._shown)

    @property
    def row_count(self) -> int:
        """How many rows the filter leaves."""
        return len(self._shown)

    @property
    def row_count_in_all(self) -> int:
        return len(self._rows)

    @property
    def cursor_key(self) -> str | None:
        """The key of the row under the cursor; None for an empty table."""
        return self._shown[self.cursor_row] if 0 <= self.cursor_row < len(self._shown) else None

    @property
    def chosen(self) -> tuple[str, ...]:
        """What an act is for: the marked rows, hidden ones too; without marks the one under the cursor."""
        key = self.cursor_key
        return self.marks or ((key,) if key is not None else ())

    @property
    def titles(self) -> tuple[str, ...]:
        """The titles of the columns that there is room for."""
        return tuple(self.columns[index].title for index, _ in self._layout)

    def drawn_row(self, row: int) -> list[str]:
        """The cells of a row as they are drawn."""
        cells = self._rows[self._shown[row]]
        return [self._columns.words(cells[index], index, width).strip() for index, width in self._layout]

    def cells(self, key: str) -> list[str]:
        """All cells of a row in full, also those that there is no room for."""
        return [printable(cell.text) for cell in self._rows[key]]

    def row_text(self, key: str) -> str:
        """All cells of a row, also those that there is no room for, with tabs between them."""
        return "\t".join(self.cells(key))

    def index_of(self, key: str) -> int:
        """The place of a row among those that are shown. Raises ValueError if it is not."""
        return self._shown.index(key)

    def select(self, key: str) -> None:
        """Put the cursor on a row, if it is shown."""
        if key in self._shown:
            self.cursor_row = self._shown.index(key)

    def goto(self, name: str) -> bool:
        """Put the cursor on the row of that name, or on the first whose name holds it; whether there is one."""
        places = [name] if name in self._rows else [*self._shown, *self._rows]
        key = next((key for key in places if name in key), None)
        if key is not None and key not in self._shown:
            self.filter_by("")
        if key is not None:
            self.select(key)
        return key is not None

    def arrive_at(self, cursor: str, marks: Sequence[str]) -> None:
        """Have this under the cursor, and these marked, as soon as there are rows of these names."""
        self._expected = (cursor, tuple(marks))
        self._meet()

    def _meet(self) -> None:
        cursor, marks = self._expected
        if not self._rows:
            return
        self._expected = ("", ())
        if marks:
            self._mark(key for key in (*self.marks, *marks) if key in self._rows)
        if cursor:
            self.select(cursor)

    # new rows, another order

    def show_rows(self, rows: Rows, *, news: bool = True) -> None:
        """Show these in this order, unless another was chosen; the cursor stays on its row, wherever that moves.

        What is different from before is `news`, unless before hardly anything was known.
        """
        before, self._rows = self._rows, {key: tuple(cells) for key, cells in rows.items()}
        changed = [
            key for key, cells in self._rows.items() if before.get(key) is not cells and before.get(key) != cells
        ]
        if not changed and list(before) == list(self._rows):
            return
        self.marks = tuple(key for key in self.marks if key in self._rows)
        self._forget(before, changed)
        if news:
            self._flash(before, changed)
        self._columns.measure(self._rows[key] for key in changed)
        shown = self._arranged()
        if shown == self._shown and self._fits() == self._layout:
            self._redraw(changed, self._different(before, changed))
        else:
            self._show(shown)
        if any(self._expected):
            self._meet()

    def _flash(self, before: Mapping[str, Sequence[Cell]], changed: Iterable[str]) -> None:
        """Mark for a moment what has changed where that matters; not without colours, nor for a screen reader."""
        if not self._flashing or STYLES[Tone.OK].color is None or self.app.has_class("-reader"):
            return
        flashed = {
            (key, index)
            for key in changed
            if key in before
            for index in self._flashing
            # What is muted is doubt, and not news.
            if (cell := self._rows[key][index]).text != before[key][index].text and cell.tone is not Tone.MUTED
        }
        if flashed:
            self._flashed |= flashed
            self.set_timer(_FLASH_S, partial(self._calm, flashed))

    def _calm(self, flashed: set[tuple[str, int]]) -> None:
        self._flashed -= flashed
        self._redraw([key for key, _ in flashed], {index for _, index in flashed})

    def _forget(self, before: Iterable[str], changed: Iterable[str]) -> None:
        """Rows that changed, or are not there any more, say something else than they did."""
        if self._said:
            for key in (*changed, *(key for key in before if key not in self._rows)):
                self._said.pop(key, None)

    def filter_by(self, words: str) -> None:
        """Show only rows that match; empty: all. Raises FilterError."""
        self.wanted = parse_filter(words, [column.title for column in self.columns])
        self._show(self._arranged())

    def sort_rows(self, order: Order) -> None:
        """Show the rows in another order."""
        self.order = order
        self._show(self._arranged())
        self.refresh()

    def _arranged(self) -> list[str]:
        keys = list(self._rows)
        literals = self.wanted.literals
        if literals:
            said = self._sayings()
            keys = [key for key in keys if all(word in said[key] for word in literals)]
        elif self.wanted.terms:
            keys = [key for key in keys if self.wanted(self._rows[key])]
        if self.order.column is not None:
            keys = _sorted(keys, lambda key: self._rows[key][self.order.column or 0], reverse=self.order.reverse)
        return keys

    def _sayings(self) -> Mapping[str, str]:
        """What all rows say, in small letters: a filter is typed letter by letter, over the same rows."""
        if len(self._said) < len(self._rows):
            for key, cells in self._rows.items():
                if key not in self._said:
                    self._said[key] = "\0".join([cell.text for cell in cells]).lower()
        return self._said

    def _show(self, shown: list[str]) -> None:
        """Show these; cursor and view keep to the row under the cursor."""
        key, row = self.cursor_key, self.cursor_row
        from_top = row - self.scroll_offset.y
        self._shown, self._layout = shown, self._fits()
        self.virtual_size = Size(self.scrollable_content_region.width, len(shown) + HEADER_LINES)
        place = {name: number for number, name in enumerate(shown)}
        moved = place.get(key, row) if key is not None else row
        row = max(0, min(moved, len(shown) - 1))
        with self.prevent(KeyedTable.RowHighlighted):
            self.set_reactive(KeyedTable.cursor_row, row)
        self.scroll_to(y=max(0, row - from_top), animate=False, immediate=True, force=True)
        self.refresh()
        self._keep_in_sight()
        self._tell()
        self.post_message(self.Arranged(self))

    # room

    def on_resize(self, event: events.Resize) -> None:
        """The columns as they are, in the room that there is now; what they need anew when nobody pulls any more."""
        self._show(self._shown)
        if self._measuring is not None:
            self._measuring.stop()
        self._measuring = self.set_timer(_MEASURED_AFTER_S, self._measure_anew)

    def _measure_anew(self) -> None:
        """Let columns shrink to what their rows need: a look at every cell, too long for each of many sizes."""
        self._columns.measure_anew(self._rows.values())
        if self._fits() != self._layout:
            self._show(self._shown)

    def _fits(self) -> Layout:
        """The columns that there is room for."""
        return self._columns.fitting(self.scrollable_content_region.width)

    # drawing

    def render_lines(self, crop: Region) -> list[Strip]:
        """All that is drawn at once has the same styles: Textual works them out anew whenever they are asked for."""
        self._made_styles.clear()
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        if y < HEADER_LINES:
            return self._header(width)
        row = self.scroll_offset.y + y - HEADER_LINES
        if row >= len(self._shown):
            return Strip.blank(width, self._style(Tone.PLAIN))
        key, under = self._shown[row], row == self.cursor_row
        cells, marked = self._rows[key], key in self.marks
        runs: list[tuple[list[str], Style]] = []  # cells side by side that look alike are drawn as one
        drawn = 0
        for place, (index, column_width) in enumerate(self._layout):
            style = self._style(cells[index].tone, under, flashed=(key, index) in self._flashed)
            gutter = "*" if place == 0 and marked else " "
            words = f"{gutter}{self._columns.words(cells[index], index, column_width)} "
            drawn += column_width + 2 * PADDING
            if runs and runs[-1][1] is style:
                runs[-1][0].append(words)
            else:
                runs.append(([words], style))
        segments = [Segment("".join(words), style) for words, style in runs]
        return Strip(segments, drawn).adjust_cell_length(width, self._style(Tone.PLAIN, under))

    def _style(self, tone: Tone, under_cursor: bool = False, *, flashed: bool = False) -> Style:
        """The style of a cell, made once for each drawing."""
        wanted = (tone, under_cursor, flashed)
        style = self._made_styles.get(wanted)
        if style is None:
            if flashed:
                style = self._style(tone, under_cursor) + _FLASH
            elif under_cursor:
                style = self._style(tone) + self.get_component_rich_style("table--cursor", partial=True)
            else:
                style = (self.rich_style if tone is Tone.PLAIN else self._style(Tone.PLAIN)) + STYLES[tone]
            self._made_styles[wanted] = style
        return style

    def _header(self, width: int) -> Strip:
        style = self.rich_style + self.get_component_rich_style("table--header", partial=True)
        segments = []
        for index, column_width in self._layout:
            column = self.columns[index]
            arrow = printable("▾" if self.order.reverse else "▴") if index == self.order.column else ""
            words = set_cell_size(column.title[: column_width - len(arrow)] + arrow, column_width)
            if column.right:
                words = words.rstrip().rjust(column_width)
            segments.append(Segment(f" {words} ", style + Style(color=STYLES[Tone.MUTED].color, bold=bool(arrow))))
        return Strip(segments).adjust_cell_length(width, style)

    def _different(self, before: Mapping[str, Sequence[Cell]], keys: Iterable[str]) -> set[int]:
        """The columns in which these rows look otherwise than before."""
        return {
            index
            for key in keys
            for index, (was, now) in enumerate(zip(before[key], self._rows[key], strict=True))
            if was is not now and (was.text != now.text or was.tone is not now.tone)
        }

    def _redraw(self, keys: Iterable[str], columns: Collection[int]) -> None:
        """Draw these rows again, as far as they are in sight, from the first of these columns to the last."""
        ends = [0]
        for _, width in self._layout:
            ends.append(ends[-1] + width + 2 * PADDING)
        places = [place for place, (index, _) in enumerate(self._layout) if index in columns]
        if not places:
            return
        left, right = ends[places[0]], ends[places[-1] + 1]
        top, height = self.scroll_offset.y, self.scrollable_content_region.height
        changed, start = set(keys), -1
        last = min(top + height - HEADER_LINES, len(self._shown))
        for row in range(top, last + 1):
            if row < last and self._shown[row] in changed:
                start = row if start < 0 else start
            elif start >= 0:
                self.refresh(Region(left, start - top + HEADER_LINES, right - left, row - start))
                start = -1

    def _redraw_row(self, row: int) -> None:
        self.refresh_line(row + HEADER_LINES)

    # the cursor

    def validate_cursor_row(self, row: int) -> int:
        return max(0, min(row, len(self._shown) - 1))

    def watch_cursor_row(self, before: int, now: int) -> None:
        self._redraw_row(before)
        self._redraw_row(now)
        self._keep_in_sight()
        self._tell()

    def _keep_in_sight(self) -> None:
        room = max(1, self.scrollable_content_region.height - HEADER_LINES)
        top, row = self.scroll_offset.y, self.cursor_row
        wanted = row if row < top else row - room + 1 if row >= top + room else top
        if wanted != top:
            self.scroll_to(y=wanted, animate=False, immediate=True, force=True)

    def _tell(self) -> None:
        if self.cursor_key != self._told:
            self._told = self.cursor_key
            self.post_message(self.RowHighlighted(self))

    def action_cursor_down(self) -> None:
        self.cursor_row += 1

    def action_cursor_up(self) -> None:
        self.cursor_row -= 1

    def action_page_down(self) -> None:
        self.cursor_row += max(1, self.scrollable_content_region.height - HEADER_LINES - 1)

    def action_page_up(self) -> None:
        self.cursor_row -= max(1, self.scrollable_content_region.height - HEADER_LINES - 1)

    def action_scroll_top(self) -> None:
        self.cursor_row = 0

    def action_scroll_bottom(self) -> None:
        self.cursor_row = len(self._shown) - 1

    def action_select_cursor(self) -> None:
        if self.cursor_key is not None:
            self.post_message(self.RowSelected(self))

    def on_click(self, event: events.Click) -> None:
        """On a title: sort by it, and then the other way round; on a row: go there, twice: open it."""
        if event.y < HEADER_LINES:
            self._sort_at(event.x)
            return
        row = self.scroll_offset.y + event.y - HEADER_LINES
        if row < len(self._shown):
            self.cursor_row = row
            if event.chain > 1:
                self.action_select_cursor()

    # marks

    def action_mark(self) -> None:
        key = self.cursor_key
        if key is not None:
            self._mark([*(mark for mark in self.marks if mark != key), *([] if key in self.marks else [key])])
            self.cursor_row += 1

    def action_mark_range(self) -> None:
        """From the row that was marked last, if it is shown, to the cursor."""
        if self.cursor_key is None:
            return
        start = self._shown.index(self.marks[-1]) if self.marks and self.marks[-1] in self._shown else self.cursor_row
        low, high = sorted((start, self.cursor_row))
        self._mark([*self.marks, *self._shown[low : high + 1]])

    def action_mark_all(self) -> None:
        self._mark([*self.marks, *self._shown])

    def action_unmark(self) -> None:
        self._mark([])

    def _mark(self, keys: Iterable[str]) -> None:
        self.marks = tuple(dict.fromkeys(keys))
        self.refresh()
        self.post_message(self.Arranged(self))

    # filter and copies

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Esc is the screen's own while there is no filter to take away."""
        if action == "clear_filter":
            return bool(self.wanted.words)
        return not (action == "faults" and not self.FAULTS)

    def action_filter(self) -> None:
        if isinstance(self.screen, Filtering):
            self.screen.type_filter(self)

    def action_filter_by(self, words: str) -> None:
        try:
            self.filter_by(words)
        except FilterError as error:
            self.post_message(Told(str(error), trouble=True))

    def action_faults(self) -> None:
        self.action_filter_by("" if self.wanted.words == self.FAULTS else self.FAULTS)

    def action_clear_filter(self) -> None:
        self.action_filter_by("")

    def action_copy_key(self) -> None:
        if self.cursor_key is not None:
            self.post_message(CopyAsked(self.cursor_key))

    def action_copy_row(self) -> None:
        if self.chosen:
            self.post_message(CopyAsked("\n".join(map(self.row_text, self.chosen))))

    def action_hint_copy(self) -> None:
        self.post_message(Told("y copies, K stops, x shows all that can be done"))

    # order

    def action_sort_by(self, title: str) -> None:
        """By a column, of which the beginning of the title is enough; a minus in front: the other way round."""
        wanted = title.strip().lstrip("-").casefold()
        found = [index for index, column in enumerate(self.columns) if column.title.casefold().startswith(wanted)]
        if not wanted:
            self.sort_rows(Order())
        elif not found:
            titles = ", ".join(column.title.lower() for column in self.columns)
            self.post_message(Told(f"no column {title!r} here; there are {titles}", trouble=True))
        else:
            self.sort_rows(Order(found[0], title.strip().startswith("-")))

    def action_sort_next(self) -> None:
        """By the next column that is shown, and after the last as they came."""
        indices: list[int | None] = [None, *(index for index, _ in self._layout)]
        place = indices.index(self.order.column) if self.order.column in indices else 0
        self.sort_rows(Order(indices[(place + 1) % len(indices)]))

    def action_sort_reverse(self) -> None:
        if self.order.column is not None:
            self.sort_rows(Order(self.order.column, not self.order.reverse))

    def _sort_at(self, x: int) -> None:
        index = column_at(self._layout, x)
        if index is not None:
            self.sort_rows(Order(index, index == self.order.column and not self.order.reverse))


def _sorted(keys: Sequence[str], cell: Callable[[str], Cell], *, reverse: bool) -> list[str]:
    """By number where cells have one, else by their words; what is not known comes last, either way."""
    known = [key for key in keys if cell(key).text != UNKNOWN]
    unknown = [key for key in keys if cell(key).text == UNKNOWN]

    def rank(key: str) -> tuple[bool, float, str]:
        value, words = cell(key).value, cell(key).text.casefold()
        return (value is None, value or 0.0, words)

    return sorted(known, key=rank, reverse=reverse) + unknown
