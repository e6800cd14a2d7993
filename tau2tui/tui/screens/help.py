"""All keys that apply now, with what they do: read from the bindings, so that it cannot be wrong."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from rich.table import Table
from textual.app import App, ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Static

from tau2tui.tui.actions import bindings
from tau2tui.tui.format import Tone, text
from tau2tui.tui.screens.sheet import Sheet


class HelpScreen(Sheet[None]):
    """The keys of the screen that was left for it, by group."""

    BINDING_GROUP_TITLE = "Help"
    BINDINGS: ClassVar[list[BindingType]] = bindings("Help")

    def __init__(self, active: Iterable[ActiveBinding]) -> None:
        super().__init__()
        self._active = tuple(active)

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="sheet") as sheet:
            sheet.border_title = "Keys"
            sheet.border_subtitle = "q closes"
            yield Static(self._table())

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column()
        for group, actions in self._groups().items():
            if table.row_count:
                table.add_row()
            table.add_row(text((group, Tone.STRONG)))
            for keys, binding in actions.values():
                about = text((binding.tooltip, Tone.MUTED))
                about.no_wrap = False
                table.add_row(text(("  ".join(keys), Tone.ACCENT)), text(binding.description), about)
        return table

    def _groups(self) -> dict[str, dict[str, tuple[list[str], Binding]]]:
        """Group title → action → its keys and one of its bindings; what has no id is Textual's own and left out.

        The screen's own come first, then those of the part that has the focus, then those that apply everywhere.
        """
        groups: dict[str, dict[str, tuple[list[str], Binding]]] = {}
        for active in sorted(self._active, key=_rank):
            title, binding = active.node.BINDING_GROUP_TITLE, active.binding
            if title is None or not binding.id:
                continue
            keys, _ = groups.setdefault(title, {}).setdefault(binding.action, ([], binding))
            keys.append(self.app.get_key_display(binding))
        return groups


def _rank(active: ActiveBinding) -> int:
    return 0 if isinstance(active.node, Screen) else 2 if isinstance(active.node, App) else 1
