"""The jobs that may end before the evaluation: there only while there are such."""

from __future__ import annotations

from rich.text import Text
from textual.reactive import reactive
from textual.widget import Widget

from tau2tui.core.deadline import Deadline
from tau2tui.tui.format import Tone, duration, text

MOST_LINES = 3


class DeadlineLines(Widget):
    """A line for each of the nearest, with by how much it falls short."""

    deadlines: reactive[tuple[Deadline, ...]] = reactive((), layout=True)

    def watch_deadlines(self, deadlines: tuple[Deadline, ...]) -> None:
        self.display = bool(deadlines)

    def render(self) -> Text:
        lines = Text("\n").join(map(deadline_line, self.deadlines[:MOST_LINES]))
        lines.no_wrap, lines.overflow = True, "ellipsis"
        return lines


def deadline_line(deadline: Deadline) -> Text:
    """What ends too early, by how much, and what helps."""
    glyph = ("✖ ", Tone.BAD) if deadline.certain else ("▲ ", Tone.WARN)
    sure = "ends" if deadline.certain else "may end"
    end = f"{duration(deadline.middle_s)}, at most {duration(deadline.high_s)}"
    told = f" {sure} before the evaluation: {duration(deadline.left_s)} left, and that needs {end}"
    return text(glyph, (deadline.job, Tone.STRONG), told, ("  H hands it over to a successor", Tone.MUTED))
