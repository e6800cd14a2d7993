"""What is on a screen as plain lines, without colours or cursor."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from textual._context import visible_screen_stack
from textual.screen import Screen

if TYPE_CHECKING:
    from textual.app import App


def plain_lines(screen: Screen[Any]) -> list[str]:
    """One string for each line of the terminal, without spaces at its end."""
    width, height = screen.size
    if not width or not height:
        return []
    # A sheet draws what lies behind it as well, and keeps what it drew: without this, nothing behind it from then on.
    token = visible_screen_stack.set(screen.app._background_screens)
    try:
        strips = screen._compositor.render_strips(screen.size)
    finally:
        visible_screen_stack.reset(token)
    return [strip.text.rstrip() for strip in strips]


def show_outside(app: App[Any]) -> None:
    """Show the screen as plain lines outside of the app, for a mouse to select from, until Enter is pressed."""
    lines = plain_lines(app.screen)
    with app.suspend():
        sys.stdout.write("\n".join((*lines, "[Enter goes back]")))
        sys.stdout.flush()
        sys.stdin.readline()
