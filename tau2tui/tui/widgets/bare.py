"""What lies behind everything else and shows nothing itself: containers and screens without a border.

Textual puts together all lines of whatever a changed line lies in, at every change: here one, for all of them.
"""

from __future__ import annotations

from collections.abc import Callable

from textual.containers import Horizontal, Vertical
from textual.geometry import Region
from textual.strip import Strip


def alike(render_lines: Callable[[Region], list[Strip]], crop: Region) -> list[Strip]:
    """The lines of something whose lines are all the same."""
    return render_lines(Region(crop.x, crop.y, crop.width, 1)) * crop.height


class BareHorizontal(Horizontal):
    """Parts beside each other."""

    def render_lines(self, crop: Region) -> list[Strip]:
        return alike(super().render_lines, crop)


class BareVertical(Vertical):
    """Parts below each other."""

    def render_lines(self, crop: Region) -> list[Strip]:
        return alike(super().render_lines, crop)
