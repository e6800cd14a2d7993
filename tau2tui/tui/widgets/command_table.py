"""The table of commands that were run: what the program does, as it could be typed."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import ClassVar

from tau2tui.remote.command_log import CommandRecord
from tau2tui.tui.format import UNKNOWN, Cell, Tone, latency
from tau2tui.tui.widgets.columns import ALWAYS, Column
from tau2tui.tui.widgets.keyed_table import KeyedTable

COLUMNS = (
    Column("TIME", 8, ALWAYS),
    Column("TOOK", 6, 90, right=True),
    Column("RC", 3, ALWAYS, right=True),
    Column("COMMAND", 20, ALWAYS, most=400, flexible=True),
    Column("ERROR", 8, 80, most=60),
)


class CommandTable(KeyedTable):
    """The newest on top."""

    FAULTS: ClassVar[str] = "!rc=0"

    def __init__(self) -> None:
        super().__init__(COLUMNS)

    def show_commands(self, records: Iterable[CommandRecord]) -> None:
        """Show these, which are in the order in which they ended."""
        self.show_rows({f"{record.at:.6f} {record}": _cells(record) for record in reversed(list(records))})

    def row_text(self, key: str) -> str:
        """The command alone: what can be typed again."""
        return key.partition(" ")[2]


def _cells(record: CommandRecord) -> tuple[Cell, ...]:
    failed = record.status != 0
    return (
        Cell(time.strftime("%H:%M:%S", time.localtime(record.at)), Tone.MUTED, record.at),
        Cell(latency(record.ms), value=record.ms),
        Cell(
            UNKNOWN if record.status is None else str(record.status),
            Tone.WARN if failed else Tone.MUTED,
            record.status,
        ),
        Cell(str(record)),
        Cell(record.error, Tone.WARN),
    )
