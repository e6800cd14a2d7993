"""The line above the keys: what is being done now; it is there only while something is."""

from __future__ import annotations

from rich.text import Text
from textual.reactive import reactive
from textual.widget import Widget

from tau2tui.tui.format import Tone, text


class ActivityLine(Widget):
    """The newest of the plans that are being performed, and how many more there are."""

    activity: reactive[tuple[str, ...]] = reactive(())

    def watch_activity(self, activity: tuple[str, ...]) -> None:
        self.display = bool(activity)

    def render(self) -> Text:
        if not self.activity:
            return Text()
        more = f"(+{len(self.activity) - 1} more) " if len(self.activity) > 1 else ""
        return text(("▸ ", Tone.ACCENT), (more, Tone.MUTED), self.activity[-1])
