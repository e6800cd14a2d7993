"""The review sheet: what exactly will be done and what it costs, before anything that runs is ended."""

from __future__ import annotations

from typing import ClassVar

from rich.console import Group
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Button, Input, Static

from tau2tui.tui.actions import bindings
from tau2tui.tui.format import Tone, text
from tau2tui.tui.screens.sheet import Sheet


class ReviewScreen(Sheet[bool]):
    """Asks before something is ended; the answer is No unless Yes is chosen, and where much ends, a word is typed."""

    BINDING_GROUP_TITLE = "Review"
    BINDINGS: ClassVar[list[BindingType]] = bindings("Review")

    def __init__(
        self,
        title: str,
        lines: tuple[str, ...],
        affects: tuple[str, ...],
        doubts: tuple[str, ...] = (),
        challenge: str = "",
    ) -> None:
        """`lines` are the steps that will be done, `affects` what they cost, `doubts` what is not known.

        With a `challenge` there is no Yes until that word was typed.
        """
        super().__init__()
        self._heading, self._lines, self._affects, self._doubts = title, lines, affects, doubts
        self._challenge = challenge

    def compose(self) -> ComposeResult:
        with Vertical(id="sheet") as sheet:
            sheet.border_title = "Review"
            yield Static(text((self._heading, Tone.STRONG)))
            with VerticalScroll(can_focus=False):
                yield Static(Group(*self._body()))
            if self._challenge:
                yield Input(placeholder=f"type {self._challenge} to allow Yes", id="challenge", compact=True)
            with Horizontal(id="answers"):
                yield Button("n  No, change nothing", id="no", compact=True)
                yield Button("y  Yes, do it", id="yes", compact=True, disabled=bool(self._challenge))

    def on_mount(self) -> None:
        self.query_one("#challenge" if self._challenge else "#no").focus()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.action_answer(event.button.id == "yes")

    @on(Input.Changed, "#challenge")
    def _typed(self, event: Input.Changed) -> None:
        self.query_one("#yes").disabled = event.value.strip().lower() != self._challenge

    @on(Input.Submitted, "#challenge")
    def _submitted(self) -> None:
        """Enter goes to the answers, to No: the word alone does nothing."""
        self.query_one("#no").focus()

    def action_answer(self, agreed: bool) -> None:
        if agreed and self.query_one("#yes").disabled:
            return
        self.dismiss(agreed)

    def _body(self) -> list[Text]:
        steps = [text((f"{number:>2}  ", Tone.MUTED), line) for number, line in enumerate(self._lines, 1)]
        costs = [text(("▲ ", Tone.WARN), line) for line in self._affects]
        doubts = [text(("? ", Tone.DOUBT), line) for line in self._doubts]
        body = [line for part in (steps, costs, doubts) if part for line in (*part, Text())][:-1]
        for line in body:
            line.no_wrap, line.overflow = False, "fold"
        return body
