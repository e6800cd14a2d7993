"""A stretch of time in logs, and how it is typed: for the latency screen and the word `latency` alike."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from tau2tui.core.times import LENGTH, POINT, Moment, parse_length, parse_moment

_FROM_TO = re.compile(rf"({POINT})\s*(?:\s|-|–|\.\.)\s*({POINT})")


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time in the logs' own local time: all of it, its last seconds, or from one moment to another."""

    last_s: float | None = None
    begin: Moment | None = None
    end: Moment | None = None

    @property
    def whole(self) -> bool:
        return self.last_s is None and self.begin is None

    def bounds(self, newest: datetime) -> tuple[datetime | None, datetime | None]:
        """First moment inside and first one behind it, None where it is open, for logs whose newest record is this.

        Its last minutes are those before the newest record. A time without a day is the last one that is not later
        than that; an end that would not lie behind its beginning is on the next day.
        """
        if self.last_s is not None:
            return newest - timedelta(seconds=self.last_s), None
        if self.begin is None:
            return None, None
        begin = self.begin.at(newest)
        if self.end is None:
            return begin, None
        end = datetime.combine(self.end.day or begin.date(), self.end.clock)
        if self.end.day is None and end <= begin:
            end += timedelta(days=1)
        return begin, end

    def __str__(self) -> str:
        if self.last_s is None:
            return "whole run" if self.whole else "from–to"
        minutes = self.last_s / 60
        return f"last {minutes:g} min" if self.last_s < 7200 else f"last {minutes / 60:g} h"


WHOLE_RUN = Window()


def parse_window(words: str) -> Window:
    """`15m`, `03:10 04:00`, `2025-12-30 17:40 18:00`, `03:10` (to the end); nothing or `all`: the whole run.

    A bare number means minutes. Raises ValueError.
    """
    words = words.strip()
    if words in ("", "all", "whole"):
        return WHOLE_RUN
    if LENGTH.fullmatch(words):
        if not (length_s := parse_length(words, "m")):
            raise ValueError("a window needs some length: 15m")
        return Window(last_s=length_s)
    try:
        if found := _FROM_TO.fullmatch(words):
            return Window(begin=parse_moment(found[1]), end=parse_moment(found[2]))
        return Window(begin=parse_moment(words.removesuffix("..")))
    except ValueError:
        said = "15m, 03:10 04:00, 03:10..04:00, 2025-12-30 17:40 18:00, all"
        raise ValueError(f"{words!r} is no window: {said}") from None
