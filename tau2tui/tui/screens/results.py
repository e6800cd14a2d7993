"""What became of each target of something that was done, where there were several or one failed."""

from __future__ import annotations

from typing import ClassVar

from rich.console import Group
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from tau2tui.tui.actions import bindings
from tau2tui.tui.format import Tone, text
from tau2tui.tui.messages import CopyAsked
from tau2tui.tui.screens.sheet import Sheet


class ResultsScreen(Sheet[None]):
    """A line for each target: ✔ and what was verified, or ✖ and why not."""

    BINDING_GROUP_TITLE = "Results"
    BINDINGS: ClassVar[list[BindingType]] = bindings("Results")

    def __init__(self, title: str, results: tuple[tuple[str, str, bool], ...]) -> None:
        """`results`: target, what was said of it, and whether it failed."""
        super().__init__()
        self._heading, self._results = title, results

    def compose(self) -> ComposeResult:
        with Vertical(id="sheet") as sheet:
            sheet.border_title = "Results"
            sheet.border_subtitle = "y copies, q closes"
            yield Static(text((self._heading, Tone.STRONG)))
            with VerticalScroll(can_focus=False):
                yield Static(Group(*self._body()))

    def action_copy(self) -> None:
        lines = (f"{'failed' if failed else 'done'}\t{target}\t{said}" for target, said, failed in self._results)
        self.post_message(CopyAsked("\n".join(lines)))

    def _body(self) -> list[Text]:
        width = max(len(target) for target, _, _ in self._results)
        body = []
        for target, said, failed in self._results:
            glyph = ("✖ ", Tone.BAD) if failed else ("✔ ", Tone.OK)
            line = text(glyph, (f"{target:<{width}}  ", Tone.STRONG), said)
            line.no_wrap, line.overflow = False, "fold"
            body.append(line)
        return body
