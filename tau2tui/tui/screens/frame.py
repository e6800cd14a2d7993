"""The frame of every screen: troubles, status, tabs, body, what is being done, and the keys that apply."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial

from textual import on
from textual.app import ComposeResult
from textual.geometry import Region
from textual.reactive import reactive
from textual.screen import Screen
from textual.strip import Strip
from textual.widgets import Static

from tau2tui.core.filter import FilterError
from tau2tui.core.model import Snapshot
from tau2tui.ops import Ops
from tau2tui.tui.remembering import TableLook
from tau2tui.tui.sources import sources
from tau2tui.tui.summary import summarise
from tau2tui.tui.widgets.activity_line import ActivityLine
from tau2tui.tui.widgets.bare import alike
from tau2tui.tui.widgets.command_line import CommandLine
from tau2tui.tui.widgets.filter_line import FilterLine
from tau2tui.tui.widgets.key_line import KeyLine
from tau2tui.tui.widgets.keyed_table import KeyedTable
from tau2tui.tui.widgets.status_line import StatusLine
from tau2tui.tui.widgets.tab_line import TabLine, View
from tau2tui.tui.widgets.trouble_lines import TroubleLines

LEAST_WIDTH, LEAST_HEIGHT = 60, 20
TALL = 32
WIDTHS = [(0, "-too-narrow"), (LEAST_WIDTH, "-narrow"), (100, "-wide"), (160, "-widest")]
HEIGHTS = [(0, "-too-short"), (LEAST_HEIGHT, "-short"), (TALL, "-tall")]
"""From so many cells on, screens have this class."""
_OF_THE_APP = ("snapshot", "now", "activity", "read_only", "news", "moment", "recalled")
"""What screens follow."""


class Framed(Screen[None]):
    """A screen that has a number key; what it shows comes from `snapshot` and `now`, which the app owns."""

    # repaint=False: they are drawn by parts of the screen; the rest need not be drawn again every second.
    snapshot: reactive[Snapshot] = reactive(Snapshot, repaint=False)
    now: reactive[float] = reactive(0.0, repaint=False)
    activity: reactive[tuple[str, ...]] = reactive((), repaint=False)
    read_only: reactive[bool] = reactive(False, init=False, repaint=False)
    news: reactive[int] = reactive(0, init=False, repaint=False)
    moment: reactive[datetime | None] = reactive(None, init=False, repaint=False)
    """As of when the fleet is shown; None: now."""
    recalled: reactive[bool] = reactive(False, init=False, repaint=False)
    """Whether what is shown was seen by an earlier session, and is still to be read."""
    old: reactive[bool] = reactive(False, init=False, repaint=False)
    """Whether what is known of the run may no longer be true."""

    def __init__(self, view: View, views: Sequence[View], title: str, ops: Ops | None) -> None:
        super().__init__(id=view.name)
        self.view, self._views, self._run_title, self._ops = view, views, title, ops
        self._was_too_small = self._both_read = False
        self._main_table: KeyedTable | None = None
        self._behind = False
        """Whether something came that it does not show yet."""

    def compose(self) -> ComposeResult:
        yield TroubleLines()
        yield StatusLine()
        yield TabLine(self._views, self.view.name)
        yield from self.compose_body()
        yield FilterLine()
        yield CommandLine()
        yield ActivityLine().data_bind(Framed.activity)
        yield KeyLine()
        yield Static(
            f"tau2tui needs a terminal of at least {LEAST_WIDTH} columns and {LEAST_HEIGHT} lines. "
            "It goes on watching meanwhile; q closes it.",
            id="too-small",
        )

    def on_mount(self) -> None:
        for name in _OF_THE_APP:
            self.watch(self.app, name, partial(setattr, self, name))

    def render_lines(self, crop: Region) -> list[Strip]:
        return alike(super().render_lines, crop)  # everything that is seen is shown by its parts

    def compose_body(self) -> ComposeResult:
        """What lies between the tabs and the keys."""
        raise NotImplementedError

    @property
    def too_small(self) -> bool:
        """Whether the terminal shows only the sentence that says so."""
        return self.size.width < LEAST_WIDTH or self.size.height < LEAST_HEIGHT

    async def on_resize(self) -> None:
        """Let others in between: sizes that come faster than they can be drawn held up everything else for seconds."""
        await asyncio.sleep(0)
        if self._was_too_small != self.too_small:
            self._was_too_small = self.too_small
            self.refresh_bindings()  # the keys come back when the terminal is large enough again

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Nothing is done to what cannot be seen."""
        return not self.too_small

    def watch_snapshot(self) -> None:
        self._fall_behind()

    def watch_now(self) -> None:
        if self.in_sight:
            self._summarise()

    def watch_old(self) -> None:
        self._fall_behind()

    def on_screen_resume(self) -> None:
        self.catch_up()

    @property
    def in_sight(self) -> bool:
        """Whether it is what is looked at, perhaps with a sheet above it: nothing else need be up to date."""
        return self in self.app.screen_stack

    def catch_up(self) -> None:
        """Show what came while nobody looked."""
        if self._behind:
            self._behind = False
            self._summarise()
            self.show()

    def _fall_behind(self) -> None:
        """Something came: it is shown now, or when the screen is looked at."""
        self._behind = True
        if self.in_sight:
            self.catch_up()

    def watch_read_only(self) -> None:
        self._note()
        self.refresh_bindings()

    def watch_moment(self) -> None:
        self.set_class(self.moment is not None, "-past")
        self.refresh_bindings()
        self._fall_behind()

    def watch_recalled(self) -> None:
        self.refresh_bindings()

    def watch_news(self) -> None:
        self._note()

    def _note(self) -> None:
        parts = ["read-only" if self.read_only else "", f"{self.news} new: I" if self.news else ""]
        self.query_one(TabLine).note = "  ".join([*filter(None, parts), ""])

    @property
    def main_table(self) -> KeyedTable | None:
        """The table that `:goto` and a restored session are about: the first, looked for until there is one."""
        if self._main_table is None or not self._main_table.is_attached:
            self._main_table = next(iter(self.query(KeyedTable)), None)
        return self._main_table

    def look(self) -> TableLook:
        """How the screen is arranged, to be kept."""
        table = self.main_table
        if table is None:
            return TableLook(zoomed=self.has_class("-zoomed"))
        order = ""
        if table.order.column is not None:
            order = f"{'-' if table.order.reverse else ''}{table.columns[table.order.column].title}"
        return TableLook(table.wanted.words, order, table.marks, table.cursor_key or "", self.has_class("-zoomed"))

    def restore(self, look: TableLook) -> None:
        """Make the screen as it was; a filter that means nothing any more is left out."""
        self.set_class(look.zoomed, "-zoomed")
        table = self.main_table
        if table is not None:
            with suppress(FilterError):
                table.filter_by(look.filter)
            if look.order:
                table.action_sort_by(look.order)
            table.arrive_at(look.cursor, look.marks)

    def type_filter(self, table: KeyedTable) -> None:
        """Let a filter for this table be typed."""
        self.query_one(FilterLine).open(table)

    @on(KeyedTable.Arranged)
    def _arranged(self, event: KeyedTable.Arranged) -> None:
        self.query_one(FilterLine).describe(event.table)

    def show(self) -> None:
        """Bring the body up to date."""

    def changes_are_news(self) -> bool:
        """Whether queue and run directory had been read when this was asked last: only then is what changed news."""
        before, recalled = self._both_read, self._ops is not None and self._ops.store.recalled
        self._both_read = not recalled and None not in (self.snapshot.jobs.at, self.snapshot.run.at)
        return before

    def _summarise(self) -> None:
        self.query_one(StatusLine).summary = summarise(
            self._run_title, self._ops, self.now, self.moment, fleet=self.view.name == "fleet"
        )
        if self._ops is not None:
            seen = sources(self._ops.config, self.snapshot, self.now)
            self.query_one(TroubleLines).troubled = tuple(source for source in seen if source.trouble)
            _, run = seen
            self.old = run.old and run.age_s is not None
