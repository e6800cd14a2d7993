"""Lines of a log, drawn one by one: only what is in sight costs anything."""

from __future__ import annotations

import re
from typing import ClassVar

from rich.cells import cell_len, chop_cells
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import BindingType
from textual.geometry import Size
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tau2tui.tui.actions import bindings
from tau2tui.tui.format import STYLES, Tone
from tau2tui.tui.log_lines import LogLine


class LogView(ScrollView, can_focus=True):
    """Shows lines; keeps to the end until it is scrolled up or a line was found, and again once it is back there."""

    BINDING_GROUP_TITLE = "Log text"
    BINDINGS: ClassVar[list[BindingType]] = bindings("Log text")

    follow: reactive[bool] = reactive(True)
    """Whether the view keeps to the end."""
    wrap: reactive[bool] = reactive(False)
    marked: reactive[re.Pattern[str] | None] = reactive(None)
    """What is highlighted."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[LogLine] = []
        self._rows: list[tuple[int, str]] = []
        self._current: int | None = None

    @property
    def place(self) -> int:
        """The line that a search goes on from, by number: what it found last, or the one above the first in sight."""
        if self._current is not None:
            return self._current
        return self._line_at(self.scroll_offset.y) - 1

    @property
    def bottom_line(self) -> int:
        """The number of the last line in sight."""
        return self._line_at(self.scroll_offset.y + self.scrollable_content_region.height - 1)

    def show_lines(self, lines: list[LogLine]) -> None:
        """Show these; the view stays where it is, or at the end if it follows."""
        self._lines, self._current = list(lines), None
        self._lay_out()

    def go_to(self, number: int) -> None:
        """Bring a line into sight, mark it, and stop following."""
        self._current = number
        row = next(row for row, (line, _) in enumerate(self._rows) if line == number)
        height = self.scrollable_content_region.height
        if not self.scroll_offset.y <= row < self.scroll_offset.y + height:
            self.scroll_to(y=max(0, row - height // 3), animate=False, immediate=True)
        self.follow = False
        self.refresh()

    def render_line(self, y: int) -> Strip:
        left, top = self.scroll_offset
        width = self.scrollable_content_region.width
        if top + y >= len(self._rows):
            return Strip.blank(width, self.rich_style)
        number, piece = self._rows[top + y]
        line = self._lines[number]
        style = self.rich_style + _style(line)
        body = Text(piece, no_wrap=True, end="")
        if self.marked:
            body.highlight_regex(self.marked, STYLES[Tone.MATCH])
        gutter_style = STYLES[Tone.MATCH] if number == self._current else STYLES[Tone.BAD]
        mark = "▸ " if number == self._current else "! " if line.error else "  "
        gutter = Segment(mark, self.rich_style + gutter_style)
        segments = Segment.apply_style(body.render(self.app.console), style)
        strip = Strip(segments, cell_len(piece)).crop_extend(left, left + width - 2, style)
        return Strip([gutter, *strip], width)

    def watch_wrap(self) -> None:
        self._lay_out()
        self.scroll_to(x=0, animate=False, immediate=True)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self.follow = self._current is None and new_value >= self.max_scroll_y

    def on_resize(self, event: events.Resize) -> None:
        self._lay_out()

    def action_scroll_end(self) -> None:
        self._current = None
        self.follow = True
        self._go_to_end()

    def _line_at(self, row: int) -> int:
        return self._rows[min(row, len(self._rows) - 1)][0] if self._rows else 0

    def _go_to_end(self) -> None:
        self.scroll_to(y=self.max_scroll_y, animate=False, immediate=True, force=True)

    def _lay_out(self) -> None:
        follow, width = self.follow, max(20, self.scrollable_content_region.width - 2)
        self._rows = [
            (number, piece) for number, line in enumerate(self._lines) for piece in self._pieces(line.text, width)
        ]
        widest = 0 if self.wrap else max((cell_len(piece) for _, piece in self._rows), default=0)
        self.virtual_size = Size(widest + 2, len(self._rows))
        if follow:
            self._go_to_end()
        self.refresh()

    def _pieces(self, words: str, width: int) -> list[str]:
        if not self.wrap or len(words) <= width // 2:
            return [words]
        if words.isascii():
            return [words[start : start + width] for start in range(0, len(words), width)]
        return chop_cells(words, width)


def _style(line: LogLine) -> Style:
    if line.note:
        return STYLES[Tone.DOUBT]
    return STYLES[Tone.BAD] if line.error else STYLES[Tone.PLAIN]
