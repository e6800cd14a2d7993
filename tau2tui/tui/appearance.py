"""How all screens are drawn: the theme, ASCII alone, and plain lines for screen readers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tau2tui.config import ScreenConfig
from tau2tui.tui.format import use_ascii, uses_ascii
from tau2tui.tui.looks import LOOKS, MONO, theme_name, themes, wear
from tau2tui.tui.views import Screens

if TYPE_CHECKING:
    from textual.app import App


class Appearance:
    """Changes how an app looks; what was drawn already, of screens that lie behind as well, is drawn anew."""

    def __init__(self, app: App[Any], screens: Screens, settings: ScreenConfig) -> None:
        """Make it as the configuration wants it; without colours where the environment says so (NO_COLOR)."""
        self._app, self._screens, self._reader = app, screens, settings.reader
        for theme in themes():
            app.register_theme(theme)
        self.wear(MONO if app.no_color else settings.theme)
        use_ascii(settings.ascii or settings.reader)
        self._mark()

    def wear(self, look: str) -> None:
        """Put a theme on. Raises ValueError for a name that none has."""
        if look not in LOOKS:
            raise ValueError(f"no theme {look!r}; there are {', '.join(LOOKS)}")
        wear(look)
        self._app.theme = theme_name(look)
        if self._app.is_running:
            self._app.refresh_css()
            self._redraw()

    def turn_ascii(self) -> None:
        """Draw with ASCII alone, or with all glyphs again."""
        use_ascii(not uses_ascii())
        self._redraw()

    def turn_reader(self) -> None:
        """Draw one pane of plain lines, for screen readers, or all panes again."""
        self._reader = not self._reader
        use_ascii(self._reader)
        self._redraw()

    def _mark(self) -> None:
        """Let the style sheet know how all screens are drawn."""
        self._app.set_class(uses_ascii(), "-ascii")
        self._app.set_class(self._reader, "-reader")

    def _redraw(self) -> None:
        self._mark()
        # Those that lie behind, too, keep what was drawn of them.
        for screen in dict.fromkeys((*self._app.screen_stack, *self._screens.made.values())):
            for widget in screen.query("*"):
                widget.refresh(layout=True)
