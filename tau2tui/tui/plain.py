"""What is on a screen as plain lines, without colours or cursor."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from textual.screen import Screen

if TYPE_CHECKING:
    from textual.app import App


def plain_lines(screen: Screen[Any]) -> list[str]:
    """One string for each line of the terminal, without spaces at its end."""
    width, height = screen.size
    return [strip.text.rstrip() for strip in screen._compositor.render_strips(screen.size)] if width and height else []


def show_outside(app: App[Any]) -> None:
    """Show the screen as plain lines outside of the app, for a mouse to select from, until Enter is pressed."""
    lines = plain_lines(app.screen)
    with app.suspend():
        sys.stdout.write("\n".join((*lines, "[Enter goes back]")))
        sys.stdout.flush()
        sys.stdin.readline()
