"""The full-screen front end: screens, keys, and the one place where asking becomes doing."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import ClassVar

from platformdirs import user_cache_path
from textual import events, on, work
from textual.app import App
from textual.binding import Binding, BindingType
from textual.command import Provider
from textual.driver import Driver
from textual.notifications import SeverityLevel
from textual.reactive import reactive
from textual.widgets import Input

from tau2tui.config import ScreenConfig
from tau2tui.core.command import Command
from tau2tui.core.model import Snapshot
from tau2tui.errors import Tau2TuiError
from tau2tui.ops import Ops
from tau2tui.remote.logfiles import LogFiles
from tau2tui.tui.acting import do_named, open_command_line, open_menu
from tau2tui.tui.actions import bindings, keymap
from tau2tui.tui.appearance import Appearance
from tau2tui.tui.asking import Asking
from tau2tui.tui.background import start
from tau2tui.tui.clipboard import clip_file, copy
from tau2tui.tui.closing import Closing
from tau2tui.tui.following import Following
from tau2tui.tui.format import printable
from tau2tui.tui.hang_up import end_with_terminal
from tau2tui.tui.messages import (
    Asked,
    CopyAsked,
    DetailAsked,
    JumpAsked,
    LogAsked,
    MomentShown,
    ProbeAsked,
    RefreshAsked,
    ShellAsked,
    Told,
)
from tau2tui.tui.navigation import Navigation
from tau2tui.tui.news import Inbox, News
from tau2tui.tui.palette import ActPalette
from tau2tui.tui.plain import plain_lines, show_outside
from tau2tui.tui.proving import prove
from tau2tui.tui.remembering import write_crash
from tau2tui.tui.screens.detail import DetailScreen
from tau2tui.tui.screens.frame import HEIGHTS, WIDTHS, Framed
from tau2tui.tui.screens.help import HelpScreen
from tau2tui.tui.screens.inbox import InboxScreen
from tau2tui.tui.screens.login import answer_on_sheet
from tau2tui.tui.screens.results import ResultsScreen
from tau2tui.tui.session import Session
from tau2tui.tui.style_sheet import StyleSheet
from tau2tui.tui.views import VIEWS, Screens
from tau2tui.tui.widgets.command_line import CommandLine
from tau2tui.tui.windows import open_window

CLOCK_S = 1.0


class Tau2App(App[None], inherit_bindings=False):
    """Looks at one run, or at somebody's logs alone; everything that changes anything goes through `Ops`."""

    TITLE = "tau2tui"
    CSS_PATH = Path(__file__).with_name("tau2tui.tcss")
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {ActPalette}
    COMMAND_PALETTE_BINDING = "ctrl+underscore"
    """Textual binds it by itself; ours is in the registry of acts."""
    HORIZONTAL_BREAKPOINTS = WIDTHS
    VERTICAL_BREAKPOINTS = HEIGHTS
    BINDING_GROUP_TITLE = "Everywhere"
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(v.key, f"view('{v.name}')", v.title, id=f"view.{v.name}", tooltip=v.about, show=False)
            for v in VIEWS
        ),
        *bindings("Everywhere"),
    ]

    snapshot: reactive[Snapshot] = reactive(Snapshot, repaint=False)
    """What was seen last."""
    now: reactive[float] = reactive(0.0, repaint=False)
    """The clock that ages are taken against: one for all screens."""
    activity: reactive[tuple[str, ...]] = reactive((), repaint=False)
    """A line for each plan that is being performed."""
    read_only: reactive[bool] = reactive(False, repaint=False)
    """Whether all that changes something is refused."""
    news: reactive[int] = reactive(0, repaint=False)
    """Notices that nobody has looked at yet."""
    moment: reactive[datetime | None] = reactive(None, repaint=False)
    """As of when the fleet is shown, by local time; None: now. While it is not now, nothing can be changed."""

    recalled: reactive[bool] = reactive(False, repaint=False)
    """Whether what is shown was seen by an earlier session, and is still to be read; nothing can be changed then."""

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
        self._framed = Screens(ops, logs, title)
        self._appearance = Appearance(self, self._framed, ops.config.screen if ops else ScreenConfig())
        self.stylesheet = StyleSheet(self.get_css_variables())
        self.set_keymap(keymap(ops.config.keys if ops else {}))
        self.animation_level = "none"
        self._ops, self._commands = ops, tuple(commands)
        self._session = Session(ops.run.run_id if ops else title, self._framed)
        self._navigation = Navigation(self, self._framed, self._session)
        self._ending = Closing(self, ends_with_us)
        self._asking = Asking(self, ops, partial(setattr, self, "activity")) if ops else None
        self._inbox = Inbox(partial(setattr, self, "news"))
        self._following: Following | None = None
        if ops is not None:
            news = News(ops, self._inbox, self._say, self.bell, partial(start, self))
            self._following = Following(self, ops, news, self._show)
        self._ticked_at = float("-inf")
        self.crash_file: Path | None = None
        """Where a bug that ended the app is described."""
        self._starts_read_only = ops.read_only if ops else False
        self.set_reactive(Tau2App.read_only, self._starts_read_only)

    def get_driver_class(self) -> type[Driver]:
        """Textual's driver, or ours in the place of the one for Linux and macOS."""
        from textual.drivers.linux_driver import LinuxDriver

        from tau2tui.tui.driver import TerminalDriver

        found = super().get_driver_class()
        return TerminalDriver if found is LinuxDriver else found

    async def on_mount(self) -> None:
        if not self.is_headless:
            end_with_terminal()
        self._tick()
        self.set_interval(CLOCK_S, self._go_on)
        await self._navigation.go(self._session.begin())
        if self._ops is not None:
            self._ops.login.answer = partial(answer_on_sheet, self)
        if self._following is not None:
            self._following.begin(recalls=not self._commands)
        if self._commands:
            self._ask_all(self._commands)

    def _show(self, snapshot: Snapshot) -> None:
        self._tick()
        self.snapshot = snapshot
        self.recalled = self._ops is not None and self._ops.awaits_first_answer

    def _handle_exception(self, error: Exception) -> None:
        """A bug ends the app, with its traceback on the restored terminal, and in a file with the screen as it was."""
        with suppress(Exception):  # the report of a bug must not hide it
            self.crash_file = write_crash(error, "\n".join(plain_lines(self.screen)))
        super()._handle_exception(error)

    @property
    def acts_are_off(self) -> bool:
        """Whether all that changes something would be refused."""
        return self.read_only or self.moment is not None or self.recalled

    async def on_unmount(self) -> None:
        if self._ops is not None:
            self._ops.login.answer = None
        if self._following is not None:
            await self._following.end()

    def action_inbox(self) -> None:
        self.push_screen(InboxScreen(self._inbox.all))
        self._inbox.review()

    def _go_on(self) -> None:
        """Once a second; a look that came less than a second ago has moved the clock, and two would draw it twice."""
        if time.monotonic() - self._ticked_at >= CLOCK_S:
            self._tick()
        if self._navigation.begun and (look := self._session.changed(self.current_mode)) is not None:
            start(self, partial(self._session.keep, look), group="remember", exclusive=True)

    def _tick(self) -> None:
        self._ticked_at = time.monotonic()
        self.now = self._ops.clock() if self._ops is not None else time.time()

    # keys

    def on_key(self, event: events.Key) -> None:
        """A key that was pressed before a line to type in had the focus is part of what is typed there, and no act."""
        focused = self.focused
        if isinstance(focused, Input) and event.is_printable and event.character:
            event.prevent_default()
            focused.insert_text_at_cursor(event.character)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "view" or (bool(parameters) and parameters[0] in self._framed)

    async def action_view(self, name: str) -> None:
        await self._navigation.go(name)

    async def action_last_view(self) -> None:
        await self._navigation.back()

    def action_help(self) -> None:
        self.push_screen(HelpScreen(self.screen.active_bindings.values()))

    def action_look(self) -> None:
        self.post_message(RefreshAsked())

    def action_zoom(self) -> None:
        self.screen.toggle_class("-zoomed")

    def action_wear(self, look: str) -> None:
        try:
            self._appearance.wear(look.strip())
        except ValueError as error:
            self._complain(str(error))

    def action_ascii(self) -> None:
        self._appearance.turn_ascii()

    def action_reader(self) -> None:
        self._appearance.turn_reader()

    def action_read_only(self) -> None:
        if self._ops is None:
            return
        if self._starts_read_only:
            self._complain("it was started with --read-only")
            return
        self._ops.read_only = self.read_only = not self.read_only

    async def action_at(self, words: str) -> None:
        if self._ops is not None:
            now = datetime.fromtimestamp(self._ops.clock())
            if trouble := await self._navigation.show_fleet_of(words, now):
                self._complain(trouble)

    def action_to_now(self) -> None:
        if self.moment is not None:
            self._navigation.go_to(None)

    @on(MomentShown)
    def _shown(self, event: MomentShown) -> None:
        if self._ops is not None:
            self._ops.looks_back_to = f"{event.at:%Y-%m-%d %H:%M:%S}" if event.at else ""
        self.moment = event.at

    def action_save_screenshot(self) -> None:
        directory = user_cache_path("tau2tui") / "screenshots"
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            saved = self.save_screenshot(path=str(directory))
        except OSError as error:
            self._complain(f"no screenshot in {directory}: {error.strerror}")
        else:
            self._say(f"saved {saved}", "information")

    def action_plain(self) -> None:
        show_outside(self)

    def action_menu(self) -> None:
        open_menu(self)

    def action_command(self, words: str = "") -> None:
        open_command_line(self, list(self._framed.views), words)

    @on(CommandLine.Entered)
    async def _entered(self, event: CommandLine.Entered) -> None:
        """Go to a screen, or do an act; what is typed behind its name goes to it as it is."""
        name, _, words = event.words.partition(" ")
        if name in self._framed:
            await self._navigation.go(name)
        elif trouble := await do_named(self, name, words.strip()):
            self._complain(trouble)

    def action_goto(self, name: str) -> None:
        table = self.screen.main_table if isinstance(self.screen, Framed) else None
        if table is None or not table.goto(name.strip()):
            self._complain(f"no row is called {name!r} here")

    @on(ShellAsked)
    async def _open_shell(self, event: ShellAsked) -> None:
        if trouble := await open_window(event.title, event.argv, os.environ):
            self._complain(trouble)

    @on(CopyAsked)
    async def _copy(self, event: CopyAsked) -> None:
        said = await copy(event.words, self.copy_to_clipboard, os.environ, clip_file())
        self._say(said, "information")

    @on(Told)
    def _told(self, event: Told) -> None:
        self._say(event.words, "warning" if event.trouble else "information")

    def _complain(self, words: str) -> None:
        self._say(words, "warning")

    def _say(self, words: str, severity: SeverityLevel) -> None:
        self.notify(printable(words), severity=severity, markup=False)

    async def action_quit(self) -> None:
        self._ending.ask(self.activity)

    def action_interrupt(self) -> None:
        self._ending.interrupt()

    @on(LogAsked)
    async def _show_log(self, event: LogAsked) -> None:
        await self._navigation.show_log(event.name)

    @on(DetailAsked)
    def _show_detail(self, event: DetailAsked) -> None:
        self.push_screen(DetailScreen(event.title, event.facts))

    @on(ProbeAsked)
    def _prove(self, event: ProbeAsked) -> None:
        if self._ops is not None:
            self._prove_now(self._ops, event.replicas)

    @work(group="prove")
    async def _prove_now(self, ops: Ops, replicas: tuple[str, ...]) -> None:
        try:
            results = await prove(ops, replicas, lambda said: self._say(said, "information"))
        except Tau2TuiError as error:
            self._complain(str(error))
        else:
            self.push_screen(ResultsScreen("A real completion", results))

    @on(JumpAsked)
    async def _jump(self, event: JumpAsked) -> None:
        if trouble := await self._navigation.jump(event.view, event.key, event.filter):
            self._complain(trouble)

    @on(RefreshAsked)
    def _refresh(self) -> None:
        if self._following is not None:
            self._following.look_now()

    # ask, and do

    @on(Asked)
    def _asked(self, event: Asked) -> None:
        self._ask_all((event.command,))

    @work(group="ask")
    async def _ask_all(self, commands: Sequence[Command]) -> None:
        if self._asking is not None:
            await self._asking.ask_all(commands)
