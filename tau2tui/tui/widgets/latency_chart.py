"""Where a latency picture is shown: lines of words and tones, coloured when they are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Group
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from tau2tui.tui.format import text

if TYPE_CHECKING:
    from tau2tui.tui.chart import Line


class LatencyChart(Widget):
    """Shows what it is given, and tells how much room there is."""

    lines: reactive[tuple[Line, ...]] = reactive(())

    @dataclass
    class Resized(Message):
        """There is more or less room."""

        size: Size

    def render(self) -> Group:
        return Group(*(text(*line) for line in self.lines))

    def on_resize(self, event: events.Resize) -> None:
        self.post_message(self.Resized(self.size))
