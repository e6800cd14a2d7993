"""A stretch of time in logs, and how it is typed: for the latency screen and the word `latency` alike."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

_LONGEST_MS = 3.6e6 * 24 * 3650
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|min|h)?")
_MILLISECONDS = {"ms": 1.0, "s": 1e3, "m": 6e4, "min": 6e4, "h": 3.6e6}
_MOMENT = re.compile(r"(?:(\d{4}-\d\d-\d\d)[ T])?(\d{1,2}:\d\d(?::\d\d)?)")


@dataclass(frozen=True, slots=True)
class Moment:
    """A time of day, of a named day or of the newest that fits."""

    clock: time
    day: date | None = None


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
        begin = datetime.combine(self.begin.day or newest.date(), self.begin.clock)
        if self.begin.day is None and begin > newest:
            begin -= timedelta(days=1)
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


def parse_latency(words: str, unit: str = "ms") -> float:
    """Milliseconds: 3s, 250ms, 1.5s, 2m; a bare number in `unit`. Raises ValueError that says what is wrong."""
    found = _DURATION.fullmatch(words.strip())
    if not found:
        raise ValueError(f"{words!r} is no duration: 250ms, 3s, 1.5s, 2m")
    milliseconds = float(found[1]) * _MILLISECONDS[found[2] or unit]
    if milliseconds > _LONGEST_MS:
        raise ValueError(f"{words.strip()[:20]} is longer than anything here lasts")
    return milliseconds


def parse_window(words: str) -> Window:
    """`15m`, `03:10 04:00`, `2025-12-30 17:40 18:00`, `03:10` (to the end); nothing or `all`: the whole run.

    A bare number means minutes. Raises ValueError.
    """
    words = words.strip()
    if words in ("", "all", "whole"):
        return WHOLE_RUN
    if _DURATION.fullmatch(words):
        if not (length := parse_latency(words, "m")):
            raise ValueError("a window needs some length: 15m")
        return Window(last_s=length / 1000)
    moments = _MOMENT.findall(words)
    between = _MOMENT.sub("", words).strip()
    if len(moments) not in (1, 2) or between not in ("", "-", "–", "..") or words.startswith(between or " "):
        raise ValueError(f"{words!r} is no window: 15m, 03:10 04:00, 03:10..04:00, 2025-12-30 17:40 18:00, all")
    begin, end = (*(_moment(*moment) for moment in moments), None)[:2]
    return Window(begin=begin, end=end)


def _moment(day: str, clock: str) -> Moment:
    hour, _, rest = clock.partition(":")
    try:
        found = Moment(time.fromisoformat(f"{hour:0>2}:{rest}"), date.fromisoformat(day) if day else None)
        if found.day and not 1970 <= found.day.year <= 2200:
            raise ValueError("no log is of that year")
        return found
    except ValueError:
        raise ValueError(f"{f'{day} {clock}'.strip()!r} is no time: 03:10, 03:10:30, 2025-12-30 03:10") from None
