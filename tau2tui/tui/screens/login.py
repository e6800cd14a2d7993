"""The sheet on which a login asks what only a person knows, such as a one-time password."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from textual import on
from textual.app import App, ComposeResult
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


async def answer_on_sheet(app: App[Any], question: Question) -> str | None:
    """What a person answers on a sheet, which is taken away if nobody waits for the answer any more."""
    answered = asyncio.get_running_loop().create_future()
    sheet = LoginScreen(question)

    def answer(text: str | None) -> None:
        if not answered.done():
            answered.set_result(text)

    def show() -> None:
        if not answered.done():  # else whoever asked has gone before it could be shown
            app.push_screen(sheet, answer)

    app.call_later(show)
    try:
        text: str | None = await answered
    except asyncio.CancelledError:
        if sheet.is_active:
            sheet.dismiss(None)
        raise
    return text
