"""Above an open log: its name, where in it the view is, whether it is followed; below that, what was said last."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Group
from textual.reactive import reactive
from textual.widget import Widget

from tau2tui.tui.format import Tone, size, text, whole


@dataclass(frozen=True, slots=True)
class LogState:
    """What there is to say of the open log."""

    name: str = ""
    """Empty: none is open."""
    size: int | None = None
    """Bytes of it; None: not known, or of several."""
    place: int = 0
    """The offset in the file of the last line in sight."""
    following: bool = True
    new_lines: int = 0
    """That came since it is not followed."""
    new_bytes: int = 0
    shape: str = ""
    """Filters and folds, in words."""


class LogTitle(Widget):
    """One line, and another one while filters hide something or there is something to say."""

    state: reactive[LogState] = reactive(LogState())
    said: reactive[str] = reactive("")
    """The outcome of a search, or what is wrong with the file."""

    def render(self) -> Group:
        state = self.state
        if not state.name:
            return Group(text((self.said or "Enter opens a log at its end.", Tone.MUTED)))
        follows = ("● following", Tone.OK) if state.following else ("‖ paused", Tone.WARN)
        first = text((state.name, Tone.STRONG), "  ", follows, self._new(), (self._where(), Tone.MUTED))
        shape = (f"{state.shape}  ", Tone.WARN) if state.shape else ""
        return Group(first, text(shape, (self.said, Tone.ACCENT)))

    def watch_state(self) -> None:
        self._make_room()

    def watch_said(self) -> None:
        self._make_room()

    def _make_room(self) -> None:
        self.set_class(bool(self.state.name and (self.said or self.state.shape)), "-says")

    def _new(self) -> tuple[str, Tone] | str:
        state = self.state
        if state.following or not state.new_bytes:
            return ""
        count = whole(state.new_lines) if state.new_lines else size(state.new_bytes)
        return f"  ▼ {count} new", Tone.WARN

    def _where(self) -> str:
        state = self.state
        if state.size is None:
            return ""
        if state.following or not state.size:
            return f"  {size(state.size)}"
        return f"  {min(100, 100 * state.place // state.size)}% of {size(state.size)}"
