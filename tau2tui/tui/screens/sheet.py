"""A sheet above a screen whose text may be longer than there is room for: keys scroll it, whatever has the focus."""

from __future__ import annotations

from typing import Generic

from textual.containers import VerticalScroll
from textual.screen import ModalScreen, ScreenResultType


class Sheet(ModalScreen[ScreenResultType], Generic[ScreenResultType]):
    """The acts that move it, by line and by page; its text is in its one `VerticalScroll`."""

    def action_scroll(self, where: str) -> None:
        """One line `up` or `down`."""
        body = self.query_one(VerticalScroll)
        (body.scroll_down if where == "down" else body.scroll_up)(animate=False)

    def action_page_down(self) -> None:
        self.query_one(VerticalScroll).scroll_page_down(animate=False)

    def action_page_up(self) -> None:
        self.query_one(VerticalScroll).scroll_page_up(animate=False)
