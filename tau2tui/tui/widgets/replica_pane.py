"""Beside the fleet, where there is room: everything about the replica under the cursor, and how its log ends."""

from __future__ import annotations

import asyncio

from rich.console import Group
from rich.table import Table
from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Static

from tau2tui.core.fleet import FleetRow
from tau2tui.errors import Tau2TuiError
from tau2tui.remote.logfiles import LogFiles
from tau2tui.tui.format import STANDINGS, Tone, text
from tau2tui.tui.kept_samples import Trends
from tau2tui.tui.log_lines import readable
from tau2tui.tui.widgets.replica_strip import detail
from tau2tui.tui.widgets.trend_lines import trend_rows

SETTLED_S = 0.2
"""The cursor rests on a row for so long before its log is read: who scrolls past reads nothing."""
FOLLOW_S = 2.0
"""How often the log is looked at."""
TAIL_BYTES = 16 << 10
_EDGES = 3
"""Columns that the border and the padding take."""


class ReplicaPane(Vertical):
    """The facts above, the last lines of the log below; nothing is read while it is not looked at."""

    row: reactive[FleetRow | None] = reactive(None, repaint=False)
    old: reactive[bool] = reactive(False, repaint=False)
    """Whether what is known of it may no longer be true."""

    trends: reactive[Trends | None] = reactive(None, repaint=False)
    """Its last hour, if that was sampled."""

    def __init__(self, logs: LogFiles) -> None:
        super().__init__()
        self._logs = logs
        self._looked_at = asyncio.Event()
        self._shown = ("", False)
        # What is read in the background may come before these are on the screen, or when they have gone from it.
        self._facts = Static(id="replica-facts")
        self._log_end = LogEnd()

    def compose(self) -> ComposeResult:
        yield self._facts
        yield self._log_end

    @property
    def looked_at(self) -> bool:
        """Whether somebody sees it."""
        return self._looked_at.is_set()

    def look(self, looked_at: bool) -> None:
        """Go on reading, or stop."""
        if looked_at:
            self._looked_at.set()
        else:
            self._looked_at.clear()

    def watch_row(self, row: FleetRow | None) -> None:
        self._show_facts()
        name, past = (row.log, row.past) if row else ("", False)
        if (name, past) != self._shown:
            self._shown = name, past
            end = self._log_end
            said = "how it ends now is not of that time" if past else "" if name else "no log yet"
            end.lines, end.name_shown, end.said = (), name, said
            self._follow("" if past else name)

    def watch_old(self) -> None:
        self._show_facts()

    def watch_trends(self) -> None:
        self._show_facts()

    def _show_facts(self) -> None:
        row = self.row
        if row is None:
            self._facts.update("")
            return
        trends = self.trends if self.trends is not None and self.trends.replica == row.replica else None
        lines = trend_rows(trends, max(0, self.size.width - _EDGES)) if trends else []
        self._facts.update(Group(*_facts(row, old=self.old), *lines))

    @work(group="replica-log", exclusive=True)
    async def _follow(self, name: str) -> None:
        """The end of one log, again and again, by size and offset: what is there already is not read twice."""
        if not name:
            return
        await asyncio.sleep(SETTLED_S)
        end = self._log_end
        seen = -1
        while True:
            await self._looked_at.wait()
            try:
                size = await self._logs.size(name)
                if size != seen:
                    end.lines, seen = await self._tail(name, size), size
            except FileNotFoundError:
                end.said = "the file is not there"
            except (Tau2TuiError, OSError) as error:
                end.said = str(error)
            else:
                end.said = "" if size else "it is empty"
            await asyncio.sleep(FOLLOW_S)

    async def _tail(self, name: str, size: int) -> tuple[str, ...]:
        start = max(0, size - TAIL_BYTES)
        lines = (await self._logs.read(name, start, TAIL_BYTES)).split(b"\n")
        whole = lines[1:] if start else lines  # the first is only the end of one
        return tuple(readable(line) for line in whole if line.strip())


class LogEnd(Widget):
    """As many of the last lines as there is room for, each cut at the edge."""

    lines: reactive[tuple[str, ...]] = reactive(())
    name_shown: reactive[str] = reactive("")
    said: reactive[str] = reactive("")
    """Why there is nothing to see."""

    def render(self) -> Text:
        head = text(
            (f"{self.name_shown or 'log'}", Tone.STRONG), ("  l opens it" if self.name_shown else "", Tone.MUTED)
        )
        shown = self.lines[-max(1, self.size.height - 1) :]
        body = [text(line) for line in shown] if not self.said else [text((self.said, Tone.MUTED))]
        return Text("\n").join([head, *body])


def _facts(row: FleetRow, *, old: bool) -> tuple[Text, Table]:
    glyph, tone = STANDINGS[row.standing]
    was = ("last seen ", Tone.DOUBT) if old else ""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in detail(row):
        if value and name not in ("replica", "log"):
            words = text(value)
            words.no_wrap, words.overflow = False, "fold"
            table.add_row(text((name, Tone.MUTED)), words)
    return text((row.replica, Tone.STRONG), "  ", was, (f"{glyph} {row.standing}", tone)), table
