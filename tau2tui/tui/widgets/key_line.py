"""The last line: the keys that apply here. One widget, where Textual's footer has one for each key."""

from __future__ import annotations

from typing import Any

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text
from textual import events
from textual.reactive import reactive
from textual.screen import Screen
from textual.widget import Widget

from tau2tui.tui.actions import BY_ID
from tau2tui.tui.format import STYLES, Tone, printable

Key = tuple[str, str, str, bool]
"""As Textual calls it, as it is shown, what it does, and whether it does that now."""


class KeyLine(Widget):
    """A click on a key presses it; those that do nothing now are dim, and what would be refused is not named."""

    ALLOW_SELECT = False

    keys: reactive[tuple[Key, ...]] = reactive(())

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._look)

    def _look(self, screen: Screen[Any]) -> None:
        if screen is not self.screen or not self.app.app_focus:
            return
        acts_are_off, then = (bool(getattr(self.app, name, None)) for name in ("acts_are_off", "moment"))
        shown: dict[str, Key] = {}  # of several keys for one act the first
        for _, binding, enabled, _ in screen.active_bindings.values():
            act = BY_ID.get(binding.id or "")
            named = binding.show or (then and act is not None and act.shown_then)
            refused = acts_are_off and act is not None and act.changes
            if named and not refused and binding.action not in shown:
                words = self.app.get_key_display(binding), binding.description
                shown[binding.action] = (binding.key, *words, enabled)
        self.keys = tuple(shown.values())

    def render(self) -> Text:
        line = Text(no_wrap=True, overflow="crop")
        for _, name, about, enabled in self.keys:
            dim = Style(dim=not enabled)
            line.append(printable(name), STYLES[Tone.ACCENT] + Style(bold=True) + dim)
            line.append(f" {printable(about)} ", dim)
        return line

    def on_click(self, event: events.Click) -> None:
        end = 0
        for key, name, about, enabled in self.keys:
            end += cell_len(printable(name)) + cell_len(printable(about)) + 2
            if event.x < end:
                if enabled:
                    self.app.simulate_key(key)
                else:
                    self.app.bell()
                return
