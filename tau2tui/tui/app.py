"""The full-screen front end: screens, keys, and the one place where asking becomes doing."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import ClassVar

from platformdirs import user_cache_path
from textual import events, on, work
from textual.actions import SkipAction
from textual.app import App
from textual.binding import Binding, BindingType
from textual.command import Provider
from textual.driver import Driver
from textual.notifications import SeverityLevel
from textual.reactive import reactive
from textual.widgets import Input

from tau2tui.config import NoticesConfig, ScreenConfig
from tau2tui.core.command import Command
from tau2tui.core.model import Snapshot
from tau2tui.core.notices import Notice
from tau2tui.core.times import parse_moment
from tau2tui.errors import Tau2TuiError
from tau2tui.ops import Ops
from tau2tui.remote.logfiles import LogFiles
from tau2tui.remote.login import Question
from tau2tui.tui.actions import bindings, call, keymap
from tau2tui.tui.asking import Asking
from tau2tui.tui.clipboard import clip_file, copy
from tau2tui.tui.format import printable, probed_words, use_ascii, uses_ascii
from tau2tui.tui.hang_up import end_with_terminal
from tau2tui.tui.last_seen import LastSeen
from tau2tui.tui.looks import LOOKS, MONO, theme_name, themes, wear
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
from tau2tui.tui.palette import ActPalette, do
from tau2tui.tui.plain import plain_lines
from tau2tui.tui.reach import Reached, named, reachable
from tau2tui.tui.remembering import SessionFile, SessionLook, TableLook, write_crash
from tau2tui.tui.screens.detail import DetailScreen
from tau2tui.tui.screens.frame import HEIGHTS, WIDTHS, Framed
from tau2tui.tui.screens.help import HelpScreen
from tau2tui.tui.screens.inbox import InboxScreen
from tau2tui.tui.screens.login import LoginScreen
from tau2tui.tui.screens.menu import MenuScreen
from tau2tui.tui.screens.results import ResultsScreen
from tau2tui.tui.screens.review import ReviewScreen
from tau2tui.tui.style_sheet import StyleSheet
from tau2tui.tui.summary import window_name
from tau2tui.tui.telling import Inbox, Watcher, alarming, loud, name_window, post, tell_tmux
from tau2tui.tui.views import FLEET, LOGS, VIEWS, Screens
from tau2tui.tui.widgets.command_line import CommandLine
from tau2tui.tui.windows import open_window

CLOCK_S = 1.0
PROVE_S, PROVE_TIMEOUT_S = 1.0, 5.0
"""Between two scrapes of a server that is proved on demand, and for one request to it."""
KEEP_EVERY_S = 60.0
"""How often what is seen is kept for the next time."""
RECALL_AFTER_S = 0.3
"""A first answer that comes sooner is not preceded by an old one: the screen would only flicker."""
RECALLED = "being read; this is how it was seen last"
TWICE_S = 2.0
"""A second ctrl+c within this closes at once."""


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
        screen = ops.config.screen if ops else ScreenConfig()
        for theme in themes():
            self.register_theme(theme)
        self._wear(MONO if self.no_color else screen.theme)
        self.stylesheet = StyleSheet(self.get_css_variables())
        use_ascii(screen.ascii or screen.reader)
        self._reader = screen.reader
        self._mark()
        self.set_keymap(keymap(ops.config.keys if ops else {}))
        self.animation_level = "none"
        self._ops, self._commands, self._ends_with_us = ops, tuple(commands), ends_with_us
        self._framed = Screens(ops, logs, title)
        self._asking = Asking(ops, self.push_screen_wait, self._tell) if ops is not None else None
        self._interrupted_at = self._ticked_at = self._kept_at = float("-inf")
        self.crash_file: Path | None = None
        """Where a bug that ended the app is described."""
        self._inbox, self._watcher = Inbox(), Watcher()
        self._window = self._webhook_trouble = ""
        self._unsubscribe: Callable[[], None] = lambda: None
        self._session = SessionFile(ops.run.run_id if ops else title)
        self._last_seen = LastSeen(ops.config.cluster.login, str(ops.run.path)) if ops else None
        self._kept_looks: dict[str, TableLook] = {}
        """How screens are to be arranged when they are opened first."""
        self._views: list[str] = []
        """The screens that were open, the newest last."""
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
        await self._restore()
        if self._ops is not None:
            self._unsubscribe = self._ops.store.subscribe(self._saw)
            self._ops.login.answer = self._answer_login
            if self._ops.snapshot != Snapshot():
                self._saw(self._ops.snapshot)  # it was looked at before there was a screen
            if self._ops.snapshot.run.value is None and not self._commands:
                self._recall(self._ops)
            self._observe(self._ops)
        if self._commands:
            self._ask_all(self._commands)

    async def _restore(self) -> None:
        """The screens as they were when the run was last looked at."""
        kept = self._session.read()
        for name, look in kept.tables.items():
            if name in self._framed:
                self._kept_looks[name] = look
        await self.action_view(kept.view if kept.view in self._framed else next(iter(self._framed.views)))

    def _look(self) -> SessionLook:
        tables = dict(self._kept_looks)  # of screens that were not opened yet
        tables |= {name: screen.look() for name, screen in self._framed.made.items() if screen.is_mounted}
        return SessionLook(self.current_mode, tables)

    @work(group="observe", exclusive=True)
    async def _observe(self, ops: Ops) -> None:
        """Keep the store current; what goes wrong in there is a bug, and ends the app with its traceback."""
        await ops.observe()

    async def _answer_login(self, question: Question) -> str | None:
        """What a person answers on a sheet, which is taken away if nobody waits for the answer any more."""
        answered = asyncio.get_running_loop().create_future()
        sheet = LoginScreen(question)

        def answer(text: str | None) -> None:
            if not answered.done():
                answered.set_result(text)

        def show() -> None:
            if not answered.done():  # else whoever asked has gone before it could be shown
                self.push_screen(sheet, answer)

        self.call_later(show)
        try:
            text: str | None = await answered
        except asyncio.CancelledError:
            if sheet.is_active:
                sheet.dismiss(None)
            raise
        return text

    @work(group="recall")
    async def _recall(self, ops: Ops) -> None:
        """If nothing is known soon, show what was seen last: a login node can take long for its first answer."""
        assert self._last_seen is not None
        soon = asyncio.create_task(asyncio.sleep(RECALL_AFTER_S))
        kept = await asyncio.to_thread(self._last_seen.read)
        await soon
        if kept is not None:
            ops.store.recall(kept.run, kept.at, RECALLED)

    @work(group="keep", exclusive=True)
    async def _keep(self, ops: Ops) -> None:
        """For the next time that the run is opened."""
        seen = ops.store.live.run
        if self._last_seen is not None and seen.value is not None and seen.at is not None:
            await asyncio.to_thread(self._last_seen.write, seen.value, seen.at)

    def _saw(self, snapshot: Snapshot) -> None:
        if not self.is_running:
            return
        self._tick()
        self.snapshot = snapshot
        ops = self._ops
        if ops is None:
            return
        self.recalled = ops.awaits_first_answer
        if ops.store.recalled:
            return  # what an earlier session saw is no news
        self._tell_news(ops)
        if snapshot.run.value is not None and ops.clock() - self._kept_at >= KEEP_EVERY_S:
            self._kept_at = ops.clock()
            self._keep(ops)

    def _tell_news(self, ops: Ops) -> None:
        """Into the inbox, and what is loud also to where the operator may be looking."""
        news = self._watcher.look(ops, self.now)
        self._inbox.put(news)
        self.news = self._inbox.new
        settings = ops.config.notices
        for notice in (notice for notice in news if loud(notice, settings)):
            severity: SeverityLevel = "error" if alarming(notice) else "information"
            self.notify(printable(notice.words), severity=severity, markup=False)
            if alarming(notice) and settings.bell:
                self.bell()
            self._pass_on(notice, settings, ops.run.run_id)
        if settings.tmux:
            self._name_window(window_name(ops))

    @work(group="pass-on")
    async def _pass_on(self, notice: Notice, settings: NoticesConfig, run: str) -> None:
        if settings.tmux and alarming(notice):
            await tell_tmux(f"tau2tui {run}: {notice.words}", os.environ)
        url = os.environ.get(settings.webhook_env, "") if settings.webhook_env else ""
        if not url:
            return
        trouble, before = await post(url, run, notice), self._webhook_trouble
        self._webhook_trouble = trouble  # empty once it was reached: the next trouble is news again
        if trouble and trouble != before:
            self.post_message(Told(trouble, trouble=True))

    def _name_window(self, name: str) -> None:
        if name != self._window:
            self._window = name
            self.run_worker(name_window(name, os.environ), group="name-window")

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
        self._unsubscribe()  # whoever opened the run may go on with it, such as to stop it
        if self._ops is not None:
            self._ops.login.answer = None
        if self._window:
            await name_window("", os.environ)

    def action_inbox(self) -> None:
        self.push_screen(InboxScreen(self._inbox.all))
        self._inbox.review()
        self.news = 0

    def _tell(self, activity: tuple[str, ...]) -> None:
        self.activity = activity

    def _go_on(self) -> None:
        """Once a second; a look that came less than a second ago has moved the clock, and two would draw it twice."""
        if time.monotonic() - self._ticked_at >= CLOCK_S:
            self._tick()
        if self._views and (look := self._look()) != self._session.kept:
            self._remember(look)

    @work(group="remember", exclusive=True)
    async def _remember(self, look: SessionLook) -> None:
        """In a thread: home directories of clusters can hang for seconds."""
        await asyncio.to_thread(self._session.write, look)

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
        if name not in self._framed.made:
            await self._framed.load(name)
        if name != self.current_mode:
            self._views = [*(view for view in self._views if view != name), name]
            screen = self._screen(name)
            await self.switch_mode(name)
            screen.catch_up()
            if (look := self._kept_looks.pop(name, None)) is not None:
                screen.restore(look)

    def _screen(self, name: str) -> Framed:
        """The screen of that name, made if nobody looked at it yet."""
        screen = self._framed.made.get(name) or self._framed.make(name)
        if not self.is_screen_installed(name):
            self.install_screen(screen, name)
            self.add_mode(name, name)
        return screen

    async def action_last_view(self) -> None:
        if len(self._views) > 1:
            await self.action_view(self._views[-2])

    def action_help(self) -> None:
        self.push_screen(HelpScreen(self.screen.active_bindings.values()))

    def action_look(self) -> None:
        self.post_message(RefreshAsked())

    def action_zoom(self) -> None:
        self.screen.toggle_class("-zoomed")

    def action_wear(self, look: str) -> None:
        if look.strip() not in LOOKS:
            self.post_message(Told(f"no theme {look!r}; there are {', '.join(LOOKS)}", trouble=True))
            return
        self._wear(look.strip())

    def _wear(self, look: str) -> None:
        wear(look)
        self.theme = theme_name(look)
        if self.is_running:
            self.refresh_css()
            self._redraw()

    def _mark(self) -> None:
        """Let the style sheet know how all screens are drawn."""
        self.set_class(uses_ascii(), "-ascii")
        self.set_class(self._reader, "-reader")

    def action_reader(self) -> None:
        self._reader = not self._reader
        use_ascii(self._reader)
        self._redraw()

    def action_ascii(self) -> None:
        use_ascii(not uses_ascii())
        self._redraw()

    def _redraw(self) -> None:
        self._mark()
        looked_at = dict.fromkeys((*self.screen_stack, *self._framed.made.values()))
        for screen in looked_at:  # those that lie behind, too, keep what was drawn of them
            for widget in screen.query("*"):
                widget.refresh(layout=True)

    def action_read_only(self) -> None:
        if self._ops is None:
            return
        if self._starts_read_only:
            self.post_message(Told("it was started with --read-only", trouble=True))
            return
        self._ops.read_only = self.read_only = not self.read_only

    async def action_at(self, words: str) -> None:
        """The fleet as of a time that was typed, as `tau2tui history --at` takes it."""
        if self._ops is None:
            return
        now = datetime.fromtimestamp(self._ops.clock())
        try:
            at = parse_moment(words).at(now)
        except ValueError as error:
            self.post_message(Told(str(error), trouble=True))
            return
        if at > now:
            self.post_message(Told(f"{at:%Y-%m-%d %H:%M:%S} is still to come", trouble=True))
            return
        await self.action_view(FLEET.name)
        self._go_to(at)

    def action_to_now(self) -> None:
        if self.moment is not None:
            self._go_to(None)

    def _go_to(self, moment: datetime | None) -> None:
        from tau2tui.tui.screens.fleet import FleetScreen

        self.get_screen(FLEET.name, FleetScreen).go_to(moment)

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
            self.post_message(Told(f"no screenshot in {directory}: {error.strerror}", trouble=True))
        else:
            self.post_message(Told(f"saved {saved}"))

    def action_plain(self) -> None:
        """The screen as plain lines, outside the app, for a mouse to select from."""
        lines = plain_lines(self.screen)
        with self.suspend():
            sys.stdout.write("\n".join((*lines, "[Enter goes back]")))
            sys.stdout.flush()
            sys.stdin.readline()

    def action_menu(self) -> None:
        acts = [act for act in reachable(self.screen) if not act.action.moves]
        self.push_screen(MenuScreen(acts), partial(self._chosen, acts))

    async def _chosen(self, acts: Sequence[Reached], wanted: str | None) -> None:
        act = next((act for act in acts if act.action.id == wanted), None)
        if act is not None:
            await do(self, act)

    def action_command(self, words: str = "") -> None:
        if isinstance(self.screen, Framed):
            self.screen.query_one(CommandLine).open(reachable(self.screen), list(self._framed.views), words)

    @on(CommandLine.Entered)
    async def _entered(self, event: CommandLine.Entered) -> None:
        """Go to a screen, or do an act; what is typed behind its name goes to it as it is."""
        name, _, words = event.words.partition(" ")
        if name in self._framed:
            await self.action_view(name)
            return
        act = named(reachable(self.screen), name, argument=bool(words.strip()))
        if act is None:
            self.post_message(Told(f"there is nothing here that is called {name!r}; x lists all", trouble=True))
        elif not act.enabled:
            self.post_message(Told(f"{act.action.name}: not now", trouble=True))
        elif words.strip() and not act.action.takes:
            self.post_message(Told(f"{name} takes nothing behind it", trouble=True))
        else:
            await self.run_action(call(act.action, words.strip()), act.node)

    def action_goto(self, name: str) -> None:
        table = self.screen.main_table if isinstance(self.screen, Framed) else None
        if table is None or not table.goto(name.strip()):
            self.post_message(Told(f"no row is called {name!r} here", trouble=True))

    @on(ShellAsked)
    async def _open_shell(self, event: ShellAsked) -> None:
        if trouble := await open_window(event.title, event.argv, os.environ):
            self.post_message(Told(trouble, trouble=True))

    @on(CopyAsked)
    async def _copy(self, event: CopyAsked) -> None:
        said = await copy(event.words, self.copy_to_clipboard, os.environ, clip_file())
        self.post_message(Told(said))

    @on(Told)
    def _say(self, event: Told) -> None:
        self.notify(printable(event.words), severity="warning" if event.trouble else "information", markup=False)

    async def action_quit(self) -> None:
        unfinished = [f"unfinished, and then given up: {line}" for line in self.activity]
        ends = [*unfinished, *filter(None, [self._ends_with_us])]
        if not ends:
            self.exit()
            return
        self.push_screen(
            ReviewScreen("Close tau2tui?", (), tuple(ends)), lambda agreed: self.exit() if agreed else None
        )

    def action_interrupt(self) -> None:
        if self.screen.get_selected_text() is not None:
            raise SkipAction  # it means: copy
        if time.monotonic() - self._interrupted_at < TWICE_S:
            self.exit()
        self._interrupted_at = time.monotonic()
        self.notify("ctrl+c once more closes at once; q closes properly", timeout=TWICE_S, markup=False)

    @on(LogAsked)
    async def _show_log(self, event: LogAsked) -> None:
        await self.action_view(LOGS.name)
        from tau2tui.tui.screens.logs import LogsScreen

        self.get_screen(LOGS.name, LogsScreen).wanted = event.name

    @on(DetailAsked)
    def _show_detail(self, event: DetailAsked) -> None:
        self.push_screen(DetailScreen(event.title, event.facts))

    @on(ProbeAsked)
    def _prove(self, event: ProbeAsked) -> None:
        if self._ops is not None:
            self._prove_now(self._ops, event.replicas)

    @work(group="prove")
    async def _prove_now(self, ops: Ops, replicas: tuple[str, ...]) -> None:
        """A completion of each, and how far that got; nothing of it is kept."""
        from tau2tui.ops.probing import probe_run

        def tell(said: str) -> None:
            self.post_message(Told(said))

        tell(f"asking {', '.join(replicas)} for a completion")
        try:
            found = await probe_run(ops, replicas, "", PROVE_S, PROVE_TIMEOUT_S, probe=True, tell=tell)
        except Tau2TuiError as error:
            self.post_message(Told(str(error), trouble=True))
            return
        results = tuple((name, probed_words(probed), not probed.ready) for name, probed in found.items())
        self.push_screen(ResultsScreen("A real completion", results))

    @on(JumpAsked)
    async def _jump(self, event: JumpAsked) -> None:
        """To what belongs to a row. A filter takes the place of the one that is there; `-` goes back."""
        await self.action_view(event.view)
        table = self._framed.made[event.view].main_table
        if table is None:
            return
        table.action_filter_by(event.filter)
        if event.key and not table.goto(event.key):
            self.post_message(Told(f"{event.key} is not there", trouble=True))

    @on(RefreshAsked)
    def _refresh(self) -> None:
        if self._ops is not None:
            self._ops.login.again()
            self._look_now(self._ops)

    @work(group="look", exclusive=True)
    async def _look_now(self, ops: Ops) -> None:
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
            outcome = await self._asking.ask(command)
            if outcome is None:
                return
            if len(outcome.results) > 1:
                self.push_screen(ResultsScreen(outcome.words.capitalize(), outcome.results))
            if outcome.error:
                self.notify(
                    printable(outcome.error), title=f"Not done: {outcome.words}", severity="error", markup=False
                )
                return
            self.notify(f"Done: {printable(outcome.words)}", markup=False)
