"""The line above an open log: its name and size, whether it is followed, and what was said about it last."""

from __future__ import annotations

from rich.text import Text
from textual.reactive import reactive
from textual.widget import Widget

from tau2tui.tui.format import Tone, size, text


class LogTitle(Widget):
    """One line; what is cut off at the edge is the least important."""

    log_name: reactive[str] = reactive("")
    bytes_in_all: reactive[int | None] = reactive(None)
    unread: reactive[int] = reactive(0)
    """Bytes that came since the view was paused."""
    following: reactive[bool] = reactive(True)
    said: reactive[str] = reactive("")
    """The outcome of a search, or what is wrong with the file."""

    def render(self) -> Text:
        if not self.log_name:
            return text((self.said or "Enter opens a log at its end.", Tone.MUTED))
        state = ("● following", Tone.OK) if self.following else ("‖ paused", Tone.WARN)
        new = (f"  ▼ {size(self.unread)} new, G follows", Tone.WARN) if self.unread and not self.following else ""
        length = "" if self.bytes_in_all is None else f"  {size(self.bytes_in_all)}"
        said = (f"  {self.said}", Tone.ACCENT) if self.said else ""
        return text((self.log_name, Tone.STRONG), (length, Tone.MUTED), "  ", state, new, said)
