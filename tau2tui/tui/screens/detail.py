"""Everything about one thing, in full: nothing is cut, and all of it can be copied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.console import Group
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from tau2tui.tui.actions import bindings
from tau2tui.tui.format import Tone, text
from tau2tui.tui.messages import CopyAsked


class DetailScreen(ModalScreen[None]):
    """Names and values, below each other."""

    BINDING_GROUP_TITLE = "Detail"
    BINDINGS: ClassVar[list[BindingType]] = bindings("Detail")

    def __init__(self, title: str, facts: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._heading, self._facts = title, tuple((name, value) for name, value in facts if value)

    def compose(self) -> ComposeResult:
        with Vertical(id="sheet") as sheet:
            sheet.border_title = text(self._heading)
            sheet.border_subtitle = "y copies, q closes"
            with VerticalScroll(can_focus=True):
                yield Static(Group(*self._body()))

    def action_copy(self) -> None:
        self.post_message(CopyAsked("\n".join(f"{name}\t{value}" for name, value in self._facts)))

    def action_scroll(self, where: str) -> None:
        sheet = self.query_one(VerticalScroll)
        (sheet.scroll_down if where == "down" else sheet.scroll_up)(animate=False)

    def action_page_down(self) -> None:
        self.query_one(VerticalScroll).scroll_page_down(animate=False)

    def action_page_up(self) -> None:
        self.query_one(VerticalScroll).scroll_page_up(animate=False)

    def _body(self) -> list[Text]:
        width = max((len(name) for name, _ in self._facts), default=0)
        body = []
        for name, value in self._facts:
            line = text((f"{name:<{width}}  ", Tone.MUTED), value)
            line.no_wrap, line.overflow = False, "fold"
            body.append(line)
        return body
