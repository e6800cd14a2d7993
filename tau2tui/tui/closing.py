"""Closing the app: asked first where something would end with it, and at once at the second ctrl+c."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from textual.actions import SkipAction

from tau2tui.tui.screens.review import ReviewScreen

if TYPE_CHECKING:
    from textual.app import App

TWICE_S = 2.0
"""A second ctrl+c within this closes at once."""


class Closing:
    """Ends an app properly, or at once."""

    def __init__(self, app: App[Any], ends_with_us: str) -> None:
        """`ends_with_us` says what ends when the app is closed, if anything does."""
        self._app, self._ends_with_us = app, ends_with_us
        self._interrupted_at = float("-inf")

    def ask(self, unfinished: Iterable[str]) -> None:
        """Close the app; if that ends something, such as plans that are being performed, only who agrees to it does."""
        ends = [*(f"unfinished, and then given up: {line}" for line in unfinished), *filter(None, [self._ends_with_us])]
        if ends:
            sheet = ReviewScreen("Close tau2tui?", (), tuple(ends))
            self._app.push_screen(sheet, lambda agreed: self._app.exit() if agreed else None)
        else:
            self._app.exit()

    def interrupt(self) -> None:
        """Ctrl+c: where something is selected it means to copy that (raises SkipAction), else the second one closes."""
        if self._app.screen.get_selected_text() is not None:
            raise SkipAction
        if time.monotonic() - self._interrupted_at < TWICE_S:
            self._app.exit()
        self._interrupted_at = time.monotonic()
        self._app.notify("ctrl+c once more closes at once; q closes properly", timeout=TWICE_S, markup=False)
