"""The `:` line: every act by its name, with what it wants behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.suggester import SuggestFromList
from textual.widget import Widget
from textual.widgets import Input, Static

from tau2tui.tui.actions import bindings
from tau2tui.tui.format import Tone, text
from tau2tui.tui.reach import Reached


class CommandLine(Horizontal):
    """Tab, or →, completes; Enter does it; Esc leaves it."""

    BINDING_GROUP_TITLE = "Command"
    BINDINGS: ClassVar[list[BindingType]] = bindings("Command")

    @dataclass
    class Entered(Message):
        """A command was typed."""

        words: str

    def __init__(self) -> None:
        super().__init__()
        self._acts: tuple[Reached, ...] = ()
        self._back: Widget | None = None

    def compose(self) -> ComposeResult:
        yield Static(":", id="command-mark", markup=False)
        yield Input(id="command", compact=True)
        yield Static(id="command-says", markup=False)

    def open(self, acts: Sequence[Reached], views: Sequence[str], words: str = "") -> None:
        """Let a command be typed, from these acts and screens."""
        self._acts, self._back = tuple(acts), self.screen.focused
        entry = self.query_one(Input)
        names = [act.action.id.rpartition(".")[2] for act in acts] + [act.action.id for act in acts]
        entry.suggester = SuggestFromList([*views, *names], case_sensitive=True)
        entry.value = words
        self.add_class("-typing")
        self.screen.set_focus(entry)  # now: `focus` would come after keys that were pressed already
        entry.cursor_position = len(words)

    @on(Input.Changed, "#command")
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        name, _, _ = event.value.partition(" ")
        fitting = [act.action for act in self._acts if name and act.action.id.rpartition(".")[2] == name]
        says = f"{fitting[0].takes}  {fitting[0].about}".strip() if fitting else ""
        self.query_one("#command-says", Static).update(text((f"  {says}", Tone.MUTED)))

    @on(Input.Submitted, "#command")
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_leave()
        if event.value.strip():
            self.post_message(self.Entered(event.value.strip()))

    def action_leave(self) -> None:
        self.remove_class("-typing")
        self.screen.set_focus(self._back)

    def action_complete(self) -> None:
        self.query_one(Input).action_cursor_right()
