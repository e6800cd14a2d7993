"""What is on a screen as plain lines, without colours or cursor."""

from __future__ import annotations

from typing import Any

from textual.screen import Screen


def plain_lines(screen: Screen[Any]) -> list[str]:
    """One string for each line of the terminal, without spaces at its end."""
    width, height = screen.size
    return [strip.text.rstrip() for strip in screen._compositor.render_strips(screen.size)] if width and height else []
