"""The second line: the screens by their number keys, the current one marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.style import Style
from rich.text import Text
from textual.reactive import reactive
from textual.widget import Widget

from tau2tui.tui.format import STYLES, Tone, text


@dataclass(frozen=True, slots=True)
class View:
    """A screen that has a number key."""

    key: str
    name: str
    title: str
    needs_run: bool
    """Whether it is only there when a run is looked at, and not for logs alone."""
    about: str


class TabLine(Widget):
    """All screens; a click goes there, as its number does."""

    note: reactive[str] = reactive("")
    """What applies on all screens, such as that nothing is changed."""

    def __init__(self, views: Sequence[View], current: str) -> None:
        super().__init__()
        self._views, self._current = views, current

    def render(self) -> Text:
        line = Text(no_wrap=True, overflow="ellipsis")
        for view in self._views:
            current = view.name == self._current
            style = STYLES[Tone.MATCH if current else Tone.PLAIN]
            line.append(f" {view.key} {view.title} ", style + Style.from_meta({"@click": f"app.view('{view.name}')"}))
        end = text((self.note, Tone.WARN), ("tau2tui", Tone.MUTED))
        room = self.size.width - line.cell_len - end.cell_len
        return line.append(" " * room).append_text(end) if room > 0 else line
