"""The sheet on which a login asks what only a person knows, such as a one-time password."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from tau2tui.remote.login import Question
from tau2tui.tui.actions import bindings
from tau2tui.tui.format import Tone, printable, text


class LoginScreen(ModalScreen[str | None]):
    """Shows what the server says and takes an answer, hidden unless the server wants it seen; None: no answer."""

    BINDING_GROUP_TITLE = "Login"
    BINDINGS: ClassVar[list[BindingType]] = bindings("Login")

    def __init__(self, question: Question) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        asked = self._question
        with Vertical(id="sheet") as sheet:
            sheet.border_title = "Login"
            yield Static(text((f"{printable(asked.login)} asks", Tone.STRONG)))
            for line in asked.words.splitlines():
                yield Static(text(printable(line)))
            yield Static(text(printable(asked.prompt.strip())))
            yield Input(password=not asked.echoed, id="challenge", compact=True)
            yield Static(text(("Enter answers, Escape goes on without a connection; r asks again.", Tone.MUTED)))

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    @on(Input.Submitted)
    def _answered(self, event: Input.Submitted) -> None:
        self.dismiss(event.value)

    def action_decline(self) -> None:
        self.dismiss(None)
