"""Looks for the next hit or error: among the lines that are shown, and then in the rest of their file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from tau2tui.remote.logfiles import LogFiles
from tau2tui.tui.log_pattern import LogPattern
from tau2tui.tui.log_search import ErrorPlaces, Places, find_backward, find_forward
from tau2tui.tui.log_shown import Shape, ShownLine, wanted
from tau2tui.tui.log_tail import LogTail


class Seeker:
    """One thing to look for: a pattern, or without one what tells of an error."""

    def __init__(
        self,
        files: LogFiles,
        errors: re.Pattern[str],
        shape: Shape,
        pattern: LogPattern | None,
        more_errors: Iterable[str] = (),
    ) -> None:
        self._files, self._errors, self._shape, self._pattern = files, errors, shape, pattern
        self._quick: Places = pattern or ErrorPlaces(more_errors)

    def nearest(self, lines: Sequence[ShownLine], start: int, step: int) -> int | None:
        """The number of the next line from `start` on, without going round. Raises BadPattern."""
        number = start + step
        while 0 <= number < len(lines):
            if self._is_hit(lines[number]):
                return number
            number += step
        return None

    async def in_file(self, tail: LogTail, step: int, tell: Callable[[float], None]) -> int | None:
        """The offset of the next line beyond what is loaded: on in the direction, then round; None if there is none.

        `tell` hears which share was looked through. Raises FileNotFoundError, OSError, Unreachable, BadPattern.
        """
        begin, end, size = tail.window.begin, tail.window.whole_end, tail.size or 0
        begin = 0 if tail.at_begin else begin
        end = size if tail.at_end else end
        before, after = (0, begin), (end, size)
        total = max(1, begin + max(0, size - end))
        done = 0
        for start, stop in (before, after) if step < 0 else (after, before):
            if start >= stop:
                continue

            def say(place: int, start: int = start, stop: int = stop, done: int = done) -> None:
                tell((done + (stop - place if step < 0 else place - start)) / total)

            if step < 0:
                found = await find_backward(self._files, tail.name, stop, start, self._quick, self._wanted, say)
            else:
                found = await find_forward(self._files, tail.name, start, stop, self._quick, self._wanted, say)
            if found is not None:
                return found
            done += stop - start
        return None

    def outcome(self, lines: Sequence[ShownLine], number: int | None, whole: bool) -> str:
        """What was found, in words. Raises BadPattern."""
        where = "in the whole log" if whole else "in what is loaded"
        if self._pattern is None:
            return f"no error {where}" if number is None else ""
        if number is None:
            return f"0 hits {where}"
        hits = sum(self._is_hit(line) for line in lines)
        return f"{hits} {'hit' if hits == 1 else 'hits'} in what is loaded"

    def _is_hit(self, shown: ShownLine) -> bool:
        if shown.line.note:
            return False
        return self._pattern.matches(shown.text) if self._pattern else shown.line.error

    def _wanted(self, text: str) -> bool:
        found = self._pattern.matches(text) if self._pattern else self._errors.search(text) is not None
        return found and wanted(text, self._shape)
