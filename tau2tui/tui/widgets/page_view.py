"""A text that is read: lines of words and tones, of which only those in sight are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.binding import BindingType
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from tau2tui.tui.actions import bindings
from tau2tui.tui.format import STYLES, printable
from tau2tui.tui.messages import CopyAsked
from tau2tui.tui.widgets.scrolled import Scrolled

if TYPE_CHECKING:
    from tau2tui.tui.markdown_lines import Line

_STEP = 8
"""Columns that a key goes to a side."""


class PageView(Scrolled, can_focus=True):
    """Scrolls in both directions; what is laid out for its width is laid out again when that changes."""

    BINDING_GROUP_TITLE = "Report text"
    BINDINGS: ClassVar[list[BindingType]] = bindings("Report text")

    @dataclass
    class Resized(Message):
        """It has become wider or narrower."""

        width: int

    def __init__(self) -> None:
        super().__init__()
        self.path = ""
        """Of what is shown: for a copy."""
        self._lines: tuple[Line, ...] = ()
        self._width = 0

    @property
    def line_count(self) -> int:
        return len(self._lines)

    def show_lines(self, lines: Sequence[Line], path: str, *, keep_place: bool = False) -> None:
        """Show these from their first line, or from where the view is."""
        self._lines, self.path = tuple(lines), path
        widest = max((sum(cell_len(words) for words, _ in line) for line in lines), default=0)
        self.virtual_size = Size(widest, len(lines))
        if not keep_place:
            self.scroll_to(0, 0, animate=False, immediate=True, force=True)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        left, top = self.scroll_offset
        width, base = self.scrollable_content_region.width, self.rich_style
        if top + y >= len(self._lines):
            return Strip.blank(width, base)
        segments = [Segment(printable(words), base + STYLES[tone]) for words, tone in self._lines[top + y]]
        return Strip(segments).crop_extend(left, left + width, base)

    def on_resize(self, event: events.Resize) -> None:
        width = self.scrollable_content_region.width
        if width != self._width:
            self._width = width
            self.post_message(self.Resized(width))

    def action_scroll_left(self) -> None:
        self._scroll_sideways(-_STEP)

    def action_scroll_right(self) -> None:
        self._scroll_sideways(_STEP)

    def _scroll_sideways(self, columns: int) -> None:
        self.scroll_to(x=self.scroll_offset.x + columns, animate=False, immediate=True)

    def action_copy_path(self) -> None:
        if self.path:
            self.post_message(CopyAsked(self.path))
