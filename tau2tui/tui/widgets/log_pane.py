"""An open log, or several merged by time: title, text, and the line in which searches and filters are typed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input

from tau2tui.errors import Tau2TuiError
from tau2tui.remote.logfiles import LogFiles
from tau2tui.tui.actions import bindings
from tau2tui.tui.format import whole
from tau2tui.tui.log_findings import Diagnose, nothing
from tau2tui.tui.log_lines import error_pattern
from tau2tui.tui.log_pattern import BadPattern, LogPattern, parse_pattern
from tau2tui.tui.looking import Looking
from tau2tui.tui.messages import Told
from tau2tui.tui.open_logs import OpenLogs
from tau2tui.tui.typed_path import typed_path
from tau2tui.tui.widgets.log_title import LogState, LogTitle
from tau2tui.tui.widgets.log_view import LogView

FOLLOW_S = 1.0
"""How often the open logs are looked at."""
_PIECES_TO_FILL = 4
"""Loaded at the opening of a log whose end holds too few lines for the view."""
_ASKS = {
    "search": "search: words or /expression/; Enter goes to the newest hit, Esc clears",
    "include": "show only lines that hold: words or /expression/; Enter keeps, nothing shows all",
    "exclude": "hide lines that hold: words or /expression/; Enter keeps, nothing shows all",
}


class LogPane(Vertical):
    """What can be done with the text of logs; which logs are open is for the screen to say."""

    BINDING_GROUP_TITLE = "Log"
    BINDINGS: ClassVar[list[BindingType]] = bindings("Log")

    @dataclass
    class Changed(Message):
        """Other lines are shown."""

    def __init__(self, files: LogFiles, more_errors: Iterable[str] = (), diagnose: Diagnose = nothing) -> None:
        """`more_errors`: expressions of lines that tell of an error, beside the usual words."""
        super().__init__(id="log")
        self.view = LogView()
        """Held, and not looked up: answers come also while the screen is being closed, after it was taken away."""
        self._title = LogTitle()
        self._files, self._more_errors, self._diagnose = files, tuple(more_errors), diagnose
        self._errors = error_pattern(self._more_errors)
        self.logs = OpenLogs(files, (), self._errors)
        """What is open."""
        self.looking = Looking()
        """Goes on while the screen is looked at: else nothing is read."""
        self._asking = "search"
        self._bookmarks: dict[str, set[int]] = {}
        self._said = ""
        self._showing = asyncio.Lock()
        self._reading = asyncio.Lock()
        """Held while other lines are loaded: a look at the end must not load that instead."""
        self._extending = False

    def compose(self) -> ComposeResult:
        yield self._title
        yield self.view
        yield Input(id="log-entry", compact=True)

    def on_mount(self) -> None:
        self.watch(self.view, "follow", self._followed, init=False)
        self.watch(self.view, "scroll_y", self._tell, init=False)

    def open(self, names: Sequence[str]) -> None:
        """Open logs at their ends; several are merged by time. Folds and timestamps stay as they are, filters go."""
        self.workers.cancel_group(self, "log-search")
        shape = replace(self.logs.shape, include=None, exclude=None)
        self.logs = OpenLogs(self._files, names, self._errors, self._diagnose, shape, self._more_errors)
        self.view.names = self.logs.short_names
        self.view.follow = True
        self.view.show_lines([])
        self._said = ""
        self.view.focus()
        self._follow()

    def say(self, words: str) -> None:
        """Say something above the log."""
        self._said = words
        self._tell()

    def step_back(self) -> bool:
        """Leave what was begun last: a search that goes on, what is typed or marked, filters. False: nothing was."""
        if any(worker.group == "log-search" and worker.is_running for worker in self.workers):
            self.workers.cancel_group(self, "log-search")
            self.say("the search was stopped")
        elif self.has_class("-asking") or self.view.marked:
            self.view.marked = None
            self._close_entry()
            self.say("")
        elif self.logs.shape.include or self.logs.shape.exclude:
            self._reshape(include=None, exclude=None)
        else:
            return False
        return True

    # what is shown

    @work(group="log", exclusive=True)
    async def _follow(self) -> None:
        """While it is looked at: what is new; what a paused view would lose is only counted."""
        await self.looking.repeat(self._look, FOLLOW_S)

    async def _look(self) -> None:
        opens = not self.view.lines
        async with self._reading:
            changed = await self.logs.look(following=self.view.follow)
        if changed:
            await self.show()
            if opens:
                await self._fill(_PIECES_TO_FILL)
        self._tell()

    async def show(self) -> None:
        """Bring what is loaded into the view."""
        async with self._showing:
            self._said = await self.logs.arrange() or self._said
            self._draw()
        self._find_causes()

    def _draw(self) -> None:
        view = self.view
        view.at_end, view.bookmarks = self.logs.at_end, self._booked()
        view.show_lines(self.logs.shown.lines)
        self._tell()
        self.post_message(self.Changed())

    @work(group="log-causes")
    async def _find_causes(self) -> None:
        if await self.logs.find_causes():
            await self.show()

    @on(LogView.EdgeNear)
    def _edge_near(self, event: LogView.EdgeNear) -> None:
        if not self._extending:
            self._extending = True
            self._extend(event.step)

    @work(group="log-piece")
    async def _extend(self, step: int) -> None:
        """Load the piece before or after what is loaded."""
        try:
            async with self._reading:
                more = await self._load_more(step)
            if more:
                await self.show()
        finally:
            self._extending = False

    async def _load_more(self, step: int) -> bool:
        try:
            return await self.logs.load_more(step)
        except (Tau2TuiError, OSError) as error:
            self.say(str(error))
            return False

    @on(LogView.BeginAsked)
    @work(group="log-begin", exclusive=True)
    async def _to_begin(self) -> None:
        self.view.follow = False
        try:
            async with self._reading:
                await self.logs.load_begin()
        except (Tau2TuiError, OSError) as error:
            self.say(str(error))
        await self.show()
        self.view.go_to_begin()
        self._tell()

    def _followed(self, follow: bool) -> None:
        if follow:
            self.looking.ask()
        self._tell()

    def _tell(self) -> None:
        """Bring the title up to date."""
        title, view, logs = self._title, self.view, self.logs
        title.said = logs.trouble or self._said
        if not logs.names:
            return
        alone, place = logs.alone, 0
        if alone is not None and view.lines:
            last = view.bottom_line == len(view.lines) - 1
            place = alone.window.end if last else view.lines[view.bottom_line].line.offset
        name = alone.name if alone is not None else f"{len(logs.names)} logs by time"
        size = alone.size if alone is not None else None
        title.state = LogState(name, size, place, view.follow, logs.new_lines, logs.new_bytes, logs.shape_words)

    # forms

    def action_follow(self) -> None:
        if self.view.follow:
            self.view.follow = False
        else:
            self.view.action_scroll_end()

    def action_wrap(self) -> None:
        self.view.wrap = not self.view.wrap

    def action_stamps(self) -> None:
        self._reshape(stamps=not self.logs.shape.stamps)

    def action_fold(self) -> None:
        self._reshape(fold=not self.logs.shape.fold)

    def _reshape(self, **changes: object) -> None:
        """Show the lines otherwise. What is wanted is kept at once: the next wish may end the work on this one."""
        self.logs.shape = replace(self.logs.shape, **changes)  # type: ignore[arg-type]
        self._show_reshaped()

    @work(group="log-shape", exclusive=True)
    async def _show_reshaped(self) -> None:
        """Where too few lines are left to fill the view, more of those before are loaded."""
        await self.show()
        await self._fill()

    async def _fill(self, most: int | None = None) -> None:
        """Load what stands before until the view is full: filters, or lines that are very long, may leave little."""
        pieces = 0
        while len(self.logs.shown.lines) < self.view.size.height and self.view.follow and pieces != most:
            async with self._reading:
                if self.logs.nearly_full:
                    self.say("filtered is what is loaded; scrolling up loads more")
                    break
                if not await self._load_more(-1):
                    break
            pieces += 1
            await self.show()

    # what is typed

    def action_ask(self, what: str) -> None:
        """Let a search, or a filter, be typed."""
        self._asking = what
        entry, shape = self.query_one("#log-entry", Input), self.logs.shape
        known = {"include": shape.include, "exclude": shape.exclude, "search": self.view.marked}[what]
        entry.placeholder = _ASKS[what]
        with self.prevent(Input.Changed):
            entry.value = known.words if known else ""
        self.add_class("-asking")
        self.screen.set_focus(entry)

    @on(Input.Changed, "#log-entry")
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        if self._asking == "search" and self.has_class("-asking"):
            self.view.marked = self._pattern(event.value)

    @on(Input.Submitted, "#log-entry")
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        pattern = self._pattern(event.value)
        if event.value and pattern is None:
            return
        self._close_entry()
        if self._asking == "search":
            self.view.marked = pattern
            if pattern is not None:
                self._seek(self.view.bottom_line + 1, -1, pattern)
        else:
            self._reshape(**{self._asking: pattern})

    def _pattern(self, words: str) -> LogPattern | None:
        try:
            return parse_pattern(words)
        except BadPattern as error:
            self.say(str(error))
            return None

    def _close_entry(self) -> None:
        self.remove_class("-asking")
        self.view.focus()

    # hits, errors, bookmarks

    def action_found(self, step: int) -> None:
        if self.view.marked is not None:
            self._seek(self.view.place, step, self.view.marked)

    def action_error(self, step: int) -> None:
        self._seek(self.view.place, step, None)

    @work(group="log-search", exclusive=True)
    async def _seek(self, start: int, step: int, pattern: LogPattern | None) -> None:
        """Meanwhile the end is not followed: that would load it in place of what is found."""
        followed, self.view.follow = self.view.follow, False
        number = None
        try:
            async with self._reading:
                sought = await self.logs.seek(start, step, pattern, self.say)
            number, self._said = sought.number, sought.said
        except (BadPattern, Tau2TuiError, OSError) as error:
            self._said = str(error)
        finally:
            if number is None and followed and self.view.scroll_offset.y >= self.view.max_scroll_y:
                self.view.follow = True
        self._show_line(number)

    def _show_line(self, number: int | None) -> None:
        """Go to a line, which may be among others than are drawn."""
        if self.view.lines is not self.logs.shown.lines:
            self._draw()
        if number is not None:
            self.view.go_to(number)
        self._tell()

    def action_bookmark(self) -> None:
        here = self.view.here
        if here is None or here.line.note:
            return
        self._bookmarks.setdefault(self.logs.names[here.source], set()).symmetric_difference_update({here.line.offset})
        self.view.bookmarks = self._booked()
        self.view.refresh()
        self.post_message(self.Changed())

    @work(group="log-search", exclusive=True)
    async def action_bookmarked(self) -> None:
        """Go to the next bookmark, or round to the first."""
        here, booked = self.view.here, sorted(self._booked())
        if not booked or here is None:
            self.say("no bookmarks here; m sets one")
            return
        source, offset = next((mark for mark in booked if mark > (here.source, here.line.offset)), booked[0])
        number = self.logs.number_of(source, offset)
        self.view.follow = False
        try:
            async with self._reading:
                number = await self.logs.load_around(offset) if number is None else number
        except (Tau2TuiError, OSError) as error:
            self.say(str(error))
        self._said = "that bookmark is not among the lines that are shown" if number is None else ""
        self._show_line(number)

    def _booked(self) -> set[tuple[int, int]]:
        return {(n, offset) for n, name in enumerate(self.logs.names) for offset in self._bookmarks.get(name, ())}

    # files

    @work(group="log-export")
    async def action_export(self, path: str) -> None:
        """Write what is shown to a new file."""
        words = self.logs.written()
        try:
            await asyncio.to_thread(_write_new, path, words)
        except OSError as error:
            self.post_message(Told(f"{path} was not written: {error.strerror or error}", trouble=True))
        else:
            self.post_message(Told(f"{whole(len(words))} lines, as shown, are in {path}"))


def _write_new(path: str, lines: Sequence[str]) -> None:
    with typed_path(path).open("x", encoding="utf-8") as target:
        target.writelines(f"{line}\n" for line in lines)
