"""A view that scrolls, whose bars say where it is from the moment that they are seen."""

from __future__ import annotations

from textual.scroll_view import ScrollView


class Scrolled(ScrollView):
    """Textual 8.2 tells a bar where the view is only when that changes, and tells nothing to one that is not shown yet.

    A log that opens at its end had a bar that said that it was at its beginning, until somebody scrolled.
    """

    def watch_show_vertical_scrollbar(self, shown: bool) -> None:
        if shown:
            self.vertical_scrollbar.position = self.scroll_y

    def watch_show_horizontal_scrollbar(self, shown: bool) -> None:
        if shown:
            self.horizontal_scrollbar.position = self.scroll_x
