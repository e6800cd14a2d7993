"""The logs that are open, one or several merged by time: what is loaded of them, and what of that is shown, and how."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tau2tui.errors import Tau2TuiError
from tau2tui.remote.logfiles import LogFiles
from tau2tui.tui.format import whole
from tau2tui.tui.log_findings import Diagnose, found_in, nothing
from tau2tui.tui.log_pattern import BadPattern, LogPattern
from tau2tui.tui.log_seeker import Seeker
from tau2tui.tui.log_shown import Notes, Shape, Shown, arrange, complete_from
from tau2tui.tui.log_tail import LogTail
from tau2tui.tui.log_window import KEPT_LINES

_FILLED = 0.5
"""Of what may be loaded, so much may be there if another piece, which is half of it at most, is to fit in."""


@dataclass(frozen=True, slots=True)
class Sought:
    """How a search ended."""

    number: int | None
    """Of the line that was found, among those shown."""
    said: str


class OpenLogs:
    """Reads, arranges and searches; knows nothing of how it is drawn."""

    def __init__(
        self,
        files: LogFiles,
        names: Sequence[str],
        errors: re.Pattern[str],
        diagnose: Diagnose = nothing,
        shape: Shape | None = None,
        more_errors: Sequence[str] = (),
    ) -> None:
        """`more_errors`: the expressions of the configuration, which are in `errors` as well."""
        self.names = tuple(names)
        most = KEPT_LINES // max(1, len(names))
        self.tails = tuple(LogTail(files, name, errors, most) for name in names)
        self.shape = shape or Shape()
        self.shown = Shown([])
        self.notes: list[Notes] = [{} for _ in names]
        """What a diagnosis says below lines, for each log."""
        self.trouble = ""
        """What is wrong with the files, as of the last look."""
        self.new_lines = self.new_bytes = 0
        """That came since they are not followed."""
        self._files, self._errors, self._diagnose, self._more_errors = files, errors, diagnose, tuple(more_errors)
        self._diagnosed: object = None
        self._diagnosing = False

    @property
    def alone(self) -> LogTail | None:
        """The log, if it is only one."""
        return self.tails[0] if len(self.tails) == 1 else None

    @property
    def at_end(self) -> bool:
        """Whether what is loaded reaches to the end of all of them."""
        return all(tail.at_end for tail in self.tails)

    @property
    def short_names(self) -> tuple[str, ...]:
        """As they stand beside lines: without directory and ending; none for a log alone."""
        return tuple(name.rpartition("/")[2].removesuffix(".log") for name in self.names) if len(self.names) > 1 else ()

    @property
    def nearly_full(self) -> bool:
        """Whether to load more would mean to give up what is at the end."""
        return any(len(tail.window.lines) > tail.window.most * _FILLED for tail in self.tails)

    async def look(self, *, following: bool) -> bool:
        """See what is new; whether there is something else to show. What is wrong with a file is kept in `trouble`."""
        changed, lines, unread, troubles = False, 0, 0, []
        for tail in self.tails:
            try:
                news = await tail.look(following=following)
            except FileNotFoundError:
                troubles.append("the file is gone" if self.alone else f"{tail.name} is gone")
            except (Tau2TuiError, OSError) as error:
                troubles.append(str(error))
            else:
                changed, lines, unread = changed or news.changed, lines + news.lines, unread + news.unread
        self.trouble, self.new_lines, self.new_bytes = "; ".join(troubles), lines, unread
        return changed

    async def arrange(self) -> str:
        """Bring what is loaded into the form that is wanted; returns why filters had to be given up, if they were."""
        logs = [list(tail.window.lines) for tail in self.tails]
        since = complete_from([(tail.window.lines, tail.at_begin) for tail in self.tails])
        try:
            self.shown = await asyncio.to_thread(arrange, logs, self.shape, self.notes, since)
        except BadPattern as error:
            self.shape = replace(self.shape, include=None, exclude=None)
            self.shown = await asyncio.to_thread(arrange, logs, self.shape, self.notes, since)
            return str(error)
        return ""

    async def load_more(self, step: int) -> bool:
        """Load the piece before (-1) or after (1) what is loaded; whether there was one. Raises as LogTail does."""
        if step > 0:
            return any([await tail.after() for tail in self.tails])
        more = [tail for tail in self.tails if not tail.at_begin]
        # Of several, the one whose first line is the latest holds up all others.
        latest = max(more, key=_first_time, default=None)
        return latest is not None and await latest.before()

    async def load_begin(self) -> None:
        """Load the beginning of each. Raises as LogTail does."""
        for tail in self.tails:
            if not tail.at_begin:
                await tail.to_begin()

    async def find_causes(self) -> bool:
        """Diagnose what is loaded, if its errors are not those of the last time; whether there is something new.

        Errors that come meanwhile are diagnosed next: at once, or when this is called for what is new.
        """
        if self._diagnose is nothing or self._diagnosing:
            return False
        self._diagnosing = True
        try:
            while (errors := self._loaded_errors()) != self._diagnosed:
                logs = [list(tail.window.lines) for tail in self.tails]
                notes = [await asyncio.to_thread(found_in, lines, self._diagnose) for lines in logs]
                self._diagnosed = errors
                if notes != self.notes:
                    self.notes = list(notes)
                    return True
        finally:
            self._diagnosing = False
        return False

    def _loaded_errors(self) -> tuple[int, ...]:
        return tuple(line.offset for tail in self.tails for line in tail.window.lines if line.error)

    async def seek(self, start: int, step: int, pattern: LogPattern | None, tell: Callable[[str], None]) -> Sought:
        """The next hit, or without a pattern the next error: in the lines that are shown, then in the rest of the file.

        Around what is found there it is loaded and arranged. Raises BadPattern and as LogTail does.
        """
        tail, seeker = self.alone, Seeker(self._files, self._errors, self.shape, pattern, self._more_errors)
        number = await asyncio.to_thread(seeker.nearest, self.shown.lines, start, step)
        if number is None and tail is not None:
            offset = await seeker.in_file(tail, step, lambda share: tell(f"looking on: {share:.0%}, Esc stops"))
            number = await self.load_around(offset) if offset is not None else None
        if number is None:
            begin = -1 if step > 0 else len(self.shown.lines)
            number = await asyncio.to_thread(seeker.nearest, self.shown.lines, begin, step)
        said = await asyncio.to_thread(seeker.outcome, self.shown.lines, number, tail is not None)
        return Sought(number, said)

    async def load_around(self, offset: int) -> int | None:
        """Load what stands around a line of a log alone; the number of that line among those shown."""
        if self.alone is None:
            return None
        await self.alone.around(offset)
        await self.arrange()
        return self.number_of(0, offset)

    def number_of(self, source: int, offset: int) -> int | None:
        """The number of a line among those that are shown."""
        lines = enumerate(self.shown.lines)
        return next((n for n, each in lines if (each.source, each.line.offset) == (source, offset)), None)

    @property
    def shape_words(self) -> str:
        """Filters and folds, and how many lines they leave out."""
        shape = self.shape
        parts = [f"&{shape.include.words}" if shape.include else "", f"!{shape.exclude.words}" if shape.exclude else ""]
        parts += [f"{whole(self.shown.hidden)} hidden"] if shape.include or shape.exclude else []
        parts += [f"{whole(self.shown.folded)} folded"] if shape.fold else []
        return " ".join(filter(None, parts))

    def written(self) -> list[str]:
        """The lines that are shown, as they are exported."""
        names = self.short_names
        return [f"{names[line.source]}  {line.text}" if names else line.text for line in self.shown.lines]


def _first_time(tail: LogTail) -> float:
    return next((line.at for line in tail.window.lines if line.at is not None), float("inf"))
