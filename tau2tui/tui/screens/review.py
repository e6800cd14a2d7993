"""The review sheet: what exactly will be done and what it costs, before anything that runs is ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.console import Group
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from tau2tui.tui.actions import bindings
from tau2tui.tui.format import Tone, text


class ReviewScreen(ModalScreen[bool]):
    """Asks before something is ended; the answer is No unless Yes is chosen."""

    BINDING_GROUP_TITLE = "Review"
    BINDINGS: ClassVar[list[BindingType]] = bindings("Review")

    def __init__(self, title: str, lines: Sequence[str], affects: Sequence[str], notes: Sequence[str] = ()) -> None:
        """`lines` are the steps that will be done, `affects` what they cost, `notes` what is not known."""
        super().__init__()
        self._heading, self._lines, self._affects, self._notes = title, lines, affects, notes

    def compose(self) -> ComposeResult:
        with Vertical(id="sheet") as sheet:
            sheet.border_title = "Review"
            yield Static(text((self._heading, Tone.STRONG)))
            with VerticalScroll(can_focus=False):
                yield Static(Group(*self._body()))
            with Horizontal(id="answers"):
                yield Button("n  No, change nothing", id="no", compact=True)
                yield Button("y  Yes, do it", id="yes", compact=True)

    def on_mount(self) -> None:
        self.query_one("#no").focus()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.action_answer(event.button.id == "yes")

    def action_answer(self, agreed: bool) -> None:
        self.dismiss(agreed)

    def _body(self) -> list[Text]:
        steps = [text((f"{number:>2}  ", Tone.MUTED), line) for number, line in enumerate(self._lines, 1)]
        costs = [text(("▲ ", Tone.WARN), line) for line in self._affects]
        doubts = [text(("? ", Tone.DOUBT), line) for line in self._notes]
        body = [line for part in (steps, costs, doubts) if part for line in (*part, Text())][:-1]
        for line in body:
            line.no_wrap, line.overflow = False, "fold"
        return body
