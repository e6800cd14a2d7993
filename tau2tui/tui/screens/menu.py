"""The menu (x): all that can be done here, as a list, so that no key need be known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from tau2tui.tui.actions import bindings
from tau2tui.tui.format import Cell, Tone
from tau2tui.tui.reach import Reached
from tau2tui.tui.widgets.columns import ALWAYS, Column
from tau2tui.tui.widgets.keyed_table import KeyedTable


class MenuScreen(ModalScreen[str | None]):
    """Offers acts; the id of the chosen one is the answer."""

    BINDING_GROUP_TITLE = "Menu"
    BINDINGS: ClassVar[list[BindingType]] = bindings("Menu")

    def __init__(self, acts: Sequence[Reached]) -> None:
        super().__init__()
        self._acts = tuple(acts)

    def compose(self) -> ComposeResult:
        with Vertical(id="sheet") as sheet:
            sheet.border_title = "What can be done here"
            sheet.border_subtitle = "⏎ does it, q closes"
            yield KeyedTable(
                (
                    Column("ACT", 14, ALWAYS),
                    Column("KEY", 6, ALWAYS, most=14),
                    Column("WHAT IT DOES", 20, 10, most=200, flexible=True),
                    Column("WORD", 8, 5),
                ),
                id="menu",
            )

    def on_mount(self) -> None:
        table = self.query_one(KeyedTable)
        table.show_rows({act.action.id: _cells(act) for act in self._acts})
        table.focus()

    @on(KeyedTable.RowSelected)
    def _chosen(self, event: KeyedTable.RowSelected) -> None:
        event.stop()
        act = next(act for act in self._acts if act.action.id == event.table.cursor_key)
        self.dismiss(act.action.id if act.enabled else None)


def _cells(act: Reached) -> tuple[Cell, ...]:
    tone = Tone.PLAIN if act.enabled else Tone.MUTED
    action = act.action
    return (
        Cell(action.name, tone),
        Cell(act.keys, Tone.ACCENT),
        Cell(action.about if act.enabled else f"{action.about} (not now)", Tone.MUTED),
        Cell(f"tau2tui {action.word}" if action.word else "", Tone.MUTED),
    )
