"""Above everything else, and only when there is something to say: what ails the sources."""

from __future__ import annotations

from rich.text import Text
from textual.reactive import reactive
from textual.widget import Widget

from tau2tui.tui.format import Tone, duration, text
from tau2tui.tui.sources import Source


class TroubleLines(Widget):
    """One line for each source that failed, fell silent, or could not be read in full: since when, and why."""

    troubled: reactive[tuple[Source, ...]] = reactive((), layout=True)

    def watch_troubled(self, troubled: tuple[Source, ...]) -> None:
        self.display = bool(troubled)

    def render(self) -> Text:
        lines = Text("\n").join(map(_line, self.troubled))
        lines.no_wrap, lines.overflow = True, "ellipsis"
        return lines


def _line(source: Source) -> Text:
    seen = "never seen" if source.age_s is None else f"{duration(source.age_s)} ago"
    badge = f" STALE {seen} " if source.old else " NOT READABLE "
    return text((badge, Tone.MATCH), (f" {source.trouble}", Tone.WARN))
