"""The full-screen front end: screens, keys, and the one place where asking becomes doing."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.actions import SkipAction
from textual.app import App
from textual.binding import Binding, BindingType
from textual.reactive import reactive

from tau2tui.core.command import Command
from tau2tui.core.model import Snapshot
from tau2tui.errors import Tau2TuiError
from tau2tui.ops import Ops
from tau2tui.remote.logfiles import LogFiles
from tau2tui.tui.asking import Asking
from tau2tui.tui.format import MONO_THEME, THEME, command_words, printable
from tau2tui.tui.messages import Asked, LogAsked, RefreshAsked
from tau2tui.tui.screens.frame import HEIGHTS, WIDTHS
from tau2tui.tui.screens.help import HelpScreen
from tau2tui.tui.screens.logs import LogsScreen
from tau2tui.tui.screens.review import ReviewScreen
from tau2tui.tui.views import LOGS, VIEWS, make_screens

CLOCK_S = 1.0
TWICE_S = 2.0
"""A second ctrl+c within this closes at once."""


class Tau2App(App[None], inherit_bindings=False):
    """Looks at one run, or at somebody's logs alone; everything that changes anything goes through `Ops`."""

    TITLE = "tau2tui"
    CSS_PATH = Path(__file__).with_name("tau2tui.tcss")
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = WIDTHS
    VERTICAL_BREAKPOINTS = HEIGHTS
    BINDING_GROUP_TITLE = "Everywhere"
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(v.key, f"view('{v.name}')", v.title, id=f"view.{v.name}", tooltip=v.about, show=False)
            for v in VIEWS
        ),
        Binding("question_mark", "help", "Help", id="app.help", tooltip="The keys that apply here"),
        Binding("q", "quit", "Quit", id="app.quit", tooltip="Close; jobs and evaluation live on"),
        Binding("ctrl+c", "interrupt", "Close", id="app.close", tooltip="Twice: at once", show=False, priority=True),
    ]

    snapshot: reactive[Snapshot] = reactive(Snapshot)
    """What was seen last."""
    now: reactive[float] = reactive(0.0)
    """The clock that ages are taken against: one for all screens."""
    activity: reactive[tuple[str, ...]] = reactive(())
    """A line for each plan that is being performed."""

    def __init__(
        self,
        ops: Ops | None,
        logs: LogFiles,
        *,
        commands: Sequence[Command] = (),
        title: str = "",
        ends_with_us: str = "",
    ) -> None:
        """`commands` are performed in order at the start. Without `ops` there are only logs to look at.

        `ends_with_us` says what ends when the app is closed, if anything does: `q` asks first then.
        """
        super().__init__(ansi_color="NO_COLOR" in os.environ or None)
        self.register_theme(THEME)
        self.register_theme(MONO_THEME)
        self.theme = MONO_THEME.name if self.no_color else THEME.name
        self.animation_level = "none"
        self._ops, self._commands, self._ends_with_us = ops, tuple(commands), ends_with_us
        self._framed = make_screens(ops, logs, title)
        self._asking = Asking(ops, self.push_screen_wait, self._tell) if ops is not None else None
        self._interrupted_at = float("-inf")

    def on_mount(self) -> None:
        for name, screen in self._framed.items():
            self.install_screen(screen.data_bind(Tau2App.snapshot, Tau2App.now, Tau2App.activity), name)
            self.add_mode(name, name)
        self._tick()
        self.set_interval(CLOCK_S, self._tick)
        self.switch_mode(next(iter(self._framed)))
        if self._ops is not None:
            self._ops.store.subscribe(self._saw)
            self._observe(self._ops)
        if self._commands:
            self._ask_all(self._commands)

    @work(group="observe", exclusive=True)
    async def _observe(self, ops: Ops) -> None:
        """Keep the store current; what goes wrong in there is a bug, and ends the app with its traceback."""
        await ops.observe()

    def _saw(self, snapshot: Snapshot) -> None:
        self._tick()
        self.snapshot = snapshot

    def _tell(self, activity: tuple[str, ...]) -> None:
        self.activity = activity

    def _tick(self) -> None:
        self.now = self._ops.clock() if self._ops is not None else time.time()

    # keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "view" or (bool(parameters) and parameters[0] in self._framed)

    def action_view(self, name: str) -> None:
        self.switch_mode(name)

    def action_help(self) -> None:
        self.push_screen(HelpScreen(self.screen.active_bindings.values()))

    async def action_quit(self) -> None:
        unfinished = [f"unfinished, and then given up: {line}" for line in self.activity]
        ends = [*unfinished, *filter(None, [self._ends_with_us])]
        if not ends:
            self.exit()
            return
        self.push_screen(ReviewScreen("Close tau2tui?", (), ends), lambda agreed: self.exit() if agreed else None)

    def action_interrupt(self) -> None:
        if self.screen.get_selected_text() is not None:
            raise SkipAction  # it means: copy
        if time.monotonic() - self._interrupted_at < TWICE_S:
            self.exit()
        self._interrupted_at = time.monotonic()
        self.notify("ctrl+c once more closes at once; q closes properly", timeout=TWICE_S, markup=False)

    @on(LogAsked)
    async def _show_log(self, event: LogAsked) -> None:
        await self.switch_mode(LOGS.name)
        self.get_screen(LOGS.name, LogsScreen).wanted = event.name

    @on(RefreshAsked)
    def _refresh(self) -> None:
        if self._ops is not None:
            self._look(self._ops)

    @work(group="look", exclusive=True)
    async def _look(self, ops: Ops) -> None:
        """Both sources now, but the scheduler no more often than it may be asked."""
        await ops.refresh("run", 0.0)
        await ops.refresh("jobs", ops.config.poll.jobs_s)

    # ask, and do

    @on(Asked)
    def _asked(self, event: Asked) -> None:
        self._ask_all((event.command,))

    @work(group="ask")
    async def _ask_all(self, commands: Sequence[Command]) -> None:
        """Do these in order; one that is refused, fails or is not agreed to ends it."""
        assert self._asking is not None
        for command in commands:
            words = command_words(command)
            try:
                if not await self._asking.ask(command):
                    return
            except Tau2TuiError as error:
                self.notify(printable(str(error)), title=f"Not done: {words}", severity="error", markup=False)
                return
            self.notify(f"Done: {words}", markup=False)
