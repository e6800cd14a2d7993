"""Lines of a log, drawn one by one: only what is in sight costs anything."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import ClassVar

from rich.cells import cell_len, chop_cells, set_cell_size
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import BindingType
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from tau2tui.tui.actions import bindings
from tau2tui.tui.format import STYLES, Tone, middle_cut, printable
from tau2tui.tui.log_pattern import BadPattern, LogPattern
from tau2tui.tui.log_shown import ShownLine
from tau2tui.tui.widgets.scrolled import Scrolled

_NAME_WIDTH = 16
_LEAST_WIDTH = 20


class LogView(Scrolled, can_focus=True):
    """Shows lines; keeps to the end until it is scrolled up or a line was found, and again once it is back there."""

    BINDING_GROUP_TITLE = "Log text"
    BINDINGS: ClassVar[list[BindingType]] = bindings("Log text")

    follow: reactive[bool] = reactive(True)
    """Whether the view keeps to the end."""
    wrap: reactive[bool] = reactive(False)
    marked: reactive[LogPattern | None] = reactive(None)
    """What is highlighted."""

    @dataclass
    class EdgeNear(Message):
        """The first line, or the last, is in sight or nearly so."""

        step: int
        """-1: the first; 1: the last."""

    @dataclass
    class BeginAsked(Message):
        """The beginning of the log is to be shown."""

    def __init__(self) -> None:
        super().__init__()
        self.at_end = True
        """Whether the last line is the end of the log, as far as that is known; there it is followed again."""
        self.names: tuple[str, ...] = ()
        """Of the logs, where there are several: shown beside their lines."""
        self.bookmarks: Collection[tuple[int, int]] = ()
        """Lines that are marked, by log and offset."""
        self._lines: Sequence[ShownLine] = ()
        self._starts: Sequence[int] = range(1)
        """The first row of each line, and behind them the number of rows."""
        self._current: ShownLine | None = None
        self._laying_out = False

    # what it shows

    @property
    def lines(self) -> Sequence[ShownLine]:
        return self._lines

    @property
    def place(self) -> int:
        """The line that a search goes on from, by number: what it found last, or the one above the first in sight."""
        current = self._number_of(self._current) if self._current else None
        return self.top_line - 1 if current is None else current

    @property
    def top_line(self) -> int:
        """The number of the first line in sight."""
        return self._line_at(self.scroll_offset.y)

    @property
    def bottom_line(self) -> int:
        """The number of the last line in sight."""
        return self._line_at(self.scroll_offset.y + self.scrollable_content_region.height - 1)

    @property
    def here(self) -> ShownLine | None:
        """The line that an act is for: what was found last, or the first in sight."""
        number = max(self.place, self.top_line if self._current is None else 0)
        return self._lines[number] if number < len(self._lines) else None

    def show_lines(self, lines: Sequence[ShownLine]) -> None:
        """Show these; the view stays with the line that it is at, or at the end if it follows."""
        anchor = self._lines[self.top_line] if self._lines and not self.follow else None
        within = self.scroll_offset.y - self._starts[self.top_line]
        self._lines = lines
        self._lay_out(anchor, within)

    def go_to(self, number: int) -> None:
        """Bring a line into sight, mark it, and stop following."""
        self._current = self._lines[number]
        self.follow = False
        row, height = self._starts[number], self.scrollable_content_region.height
        if not self.scroll_offset.y <= row < self.scroll_offset.y + height:
            self._jump(max(0, row - height // 3))
        self.refresh()

    def go_to_begin(self) -> None:
        """To the first line that is loaded."""
        self._current, self.follow = None, False
        self._jump(0)

    # drawing

    def render_line(self, y: int) -> Strip:
        left, top = self.scroll_offset
        width = self.scrollable_content_region.width
        if top + y >= self._starts[-1]:
            return Strip.blank(width, self.rich_style)
        number = self._line_at(top + y)
        shown, part = self._lines[number], top + y - self._starts[number]
        style = self.rich_style + _style(shown)
        pieces = self._pieces(shown.text)
        body = Text(printable(pieces[part]), no_wrap=True, end="")
        for begin, end in self._hits(shown.text, sum(map(len, pieces[:part])), len(pieces[part])):
            body.stylize(STYLES[Tone.MATCH], begin, end)
        gutter = self._gutter(shown, first=part == 0)
        room = width - sum(cell_len(segment.text) for segment in gutter)
        segments = Segment.apply_style(body.render(self.app.console), style)
        strip = Strip(segments, cell_len(body.plain)).crop_extend(left, left + room, style)
        return Strip([*gutter, *strip], width)

    def _hits(self, words: str, start: int, length: int) -> list[tuple[int, int]]:
        """What is to be highlighted in a piece of a line."""
        if self.marked is None:
            return []
        try:
            spans = self.marked.spans(words)
        except BadPattern:
            return []
        return [(begin - start, end - start) for begin, end in spans if end > start and begin < start + length]

    def _gutter(self, shown: ShownLine, *, first: bool) -> list[Segment]:
        current = self._current is not None and _same(shown, self._current)
        booked = (shown.source, shown.line.offset) in self.bookmarks and not shown.line.note
        mark, tone = "  ", Tone.PLAIN
        if first:
            mark, tone = ("! ", Tone.BAD) if shown.line.error else (mark, tone)
            mark, tone = ("* ", Tone.ACCENT) if booked else (mark, tone)
            mark, tone = (printable("▸ "), Tone.MATCH) if current else (mark, tone)
        segments = [Segment(mark, self.rich_style + STYLES[tone])]
        if self.names:
            width = self._name_width
            name = middle_cut(printable(self.names[shown.source]), width) if first else ""
            segments.append(Segment(f"{set_cell_size(name, width)} ", self.rich_style + STYLES[Tone.MUTED]))
        return segments

    @property
    def _name_width(self) -> int:
        return min(_NAME_WIDTH, max(map(cell_len, self.names), default=0))

    @property
    def _room(self) -> int:
        """Cells for the text of a line."""
        names = self._name_width + 1 if self.names else 0
        return max(_LEAST_WIDTH, self.scrollable_content_region.width - 2 - names)

    # scrolling

    def watch_wrap(self) -> None:
        self._lay_out(self._lines[self.top_line] if self._lines and not self.follow else None)
        self.scroll_to(x=0, animate=False, immediate=True)

    def watch_marked(self) -> None:
        self.refresh()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if self._laying_out:
            return
        if round(new_value) != round(old_value):
            self._current = self._current if self._current and self._is_in_sight(self._current) else None
        self.follow = self.at_end and self._current is None and new_value >= self.max_scroll_y
        self._look_at_edges()

    def on_resize(self, event: events.Resize) -> None:
        self._lay_out(self._lines[self.top_line] if self._lines and not self.follow else None)

    def action_scroll_end(self) -> None:
        self._current = None
        self._laying_out = True  # what is loaded may end elsewhere: then the end is loaded next
        self._jump(self.max_scroll_y)
        self._laying_out = False
        self.follow = True

    def action_scroll_home(self) -> None:
        self.post_message(self.BeginAsked())

    def action_scroll_up(self) -> None:
        super().action_scroll_up()
        self._look_at_edges()

    def action_page_up(self) -> None:
        super().action_page_up()
        self._look_at_edges()

    def action_scroll_down(self) -> None:
        self._leave_found()
        super().action_scroll_down()
        self._look_at_edges()

    def action_page_down(self) -> None:
        self._leave_found()
        super().action_page_down()
        self._look_at_edges()

    def _leave_found(self) -> None:
        """At the end, one more step down means: follow again."""
        if self._current is not None and self.scroll_offset.y >= self.max_scroll_y:
            self._current, self.follow = None, self.at_end
            self.refresh()

    def _look_at_edges(self) -> None:
        height = self.scrollable_content_region.height
        if self.scroll_offset.y < height and not self.follow:
            self.post_message(self.EdgeNear(-1))
        if not self.at_end and self.scroll_offset.y >= self.max_scroll_y - height:
            self.post_message(self.EdgeNear(1))

    def _is_in_sight(self, shown: ShownLine) -> bool:
        number = self._number_of(shown)
        return number is not None and self.top_line <= number <= self.bottom_line

    def _jump(self, row: float) -> None:
        self.scroll_to(y=row, animate=False, immediate=True, force=True)

    # rows

    def _line_at(self, row: int) -> int:
        """The line that a row belongs to, by number; the last one for rows below it."""
        if isinstance(self._starts, range):
            return max(0, min(row, len(self._lines) - 1))
        return max(0, min(bisect_right(self._starts, row) - 1, len(self._lines) - 1))

    def _number_of(self, shown: ShownLine) -> int | None:
        return next((number for number, each in enumerate(self._lines) if _same(each, shown)), None)

    def _lay_out(self, anchor: ShownLine | None = None, within: int = 0) -> None:
        follow = self.follow
        self._laying_out = True
        try:
            if self.wrap:
                self._starts = list(accumulate((len(self._pieces(line.text)) for line in self._lines), initial=0))
                widest = 0
            else:
                self._starts = range(len(self._lines) + 1)
                widest = max((_width(line.text) for line in self._lines), default=0)
            beside = self.scrollable_content_region.width - self._room
            self.virtual_size = Size(widest + beside if widest else 0, self._starts[-1])
            if follow:
                self._jump(self.max_scroll_y)
            elif anchor is not None:
                number = self._number_of(anchor)
                self._jump(self._starts[self._after(anchor) if number is None else number] + within)
            self.follow = follow
        finally:
            self._laying_out = False
        self.refresh()

    def _after(self, anchor: ShownLine) -> int:
        """The first line behind one that is not shown any more."""
        number = next(
            (
                number
                for number, each in enumerate(self._lines)
                if each.source == anchor.source and each.line.offset >= anchor.line.offset
            ),
            len(self._lines) - 1,
        )
        return max(0, number)

    def _pieces(self, words: str) -> list[str]:
        width = self._room
        if not self.wrap or len(words) <= width // 2:
            return [words]
        if words.isascii():
            return [words[start : start + width] for start in range(0, len(words), width)]
        return chop_cells(words, width)


def _width(words: str) -> int:
    return len(words) if words.isascii() else cell_len(words)


def _same(one: ShownLine, other: ShownLine) -> bool:
    """Whether two are the same line; one without an end yet is made anew each time it grows."""
    if one.line is other.line:
        return True
    return (one.source, one.line.offset, one.line.note) == (other.source, other.line.offset, other.line.note) and (
        one.line.text[:16] == other.line.text[:16]
    )


def _style(shown: ShownLine) -> Style:
    if shown.line.note:
        return STYLES[Tone.DOUBT]
    return STYLES[Tone.BAD] if shown.line.error else STYLES[Tone.PLAIN]
