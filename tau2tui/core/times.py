"""Moments and lengths of time as people type them: one grammar for all words and screens.

* A moment is a whole time (`2026-01-02 03:10`, `2026-01-02`), a time of the day (`03:10`), or so long ago (`30m`).
* A length has a unit: `250ms`, `30s`, `10m` (or `10min`), `1.5h`, `2d`.

Times are local, as in the logs; one with a zone is brought to them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

_SECONDS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
LENGTH = re.compile(rf"(\d+(?:\.\d+)?)\s*({'|'.join(_SECONDS)})?")
_LONGEST_S = 3650 * 86400.0
_CLOCK = r"\d{1,2}:\d\d(?::\d\d(?:\.\d{1,6})?)?"
_DAY = r"\d{4}-\d\d-\d\d"
POINT = rf"(?:{_DAY}(?:[ T]{_CLOCK})?|{_CLOCK})"
"""A whole time or a time of the day, without a zone, as a regular expression."""
_WHOLE = re.compile(rf"({_DAY})(?:[ T]({_CLOCK})(Z|[+-]\d\d:?\d\d)?)?")
_YEARS = range(1970, 2201)
_MIDNIGHT = time()


@dataclass(frozen=True, slots=True)
class Moment:
    """A time of a named day, or of the last day that fits; or so long before the newest that there is."""

    clock: time = _MIDNIGHT
    day: date | None = None
    ago_s: float | None = None

    def at(self, newest: datetime) -> datetime:
        """The time that is meant where the newest is this: one without a day is the last that is not later."""
        if self.ago_s is not None:
            return newest - timedelta(seconds=self.ago_s)
        at = datetime.combine(self.day or newest.date(), self.clock)
        return at if self.day or at <= newest else at - timedelta(days=1)


def parse_moment(words: str) -> Moment:
    """Read a moment. Raises ValueError that says what is wrong."""
    words = words.strip()
    if (length := LENGTH.fullmatch(words)) and length[2]:
        return Moment(ago_s=parse_length(words))
    try:
        if re.fullmatch(_CLOCK, words):
            return Moment(_clock(words))
        if whole := _WHOLE.fullmatch(words):
            return _of_day(*whole.groups())
    except ValueError:
        pass  # of the form of a time, and none: the 32nd, 25 o'clock
    raise ValueError(f"{words!r} is no time: 03:10, 2026-01-02 03:10, or 30m for half an hour ago")


def _of_day(day: str, clock: str | None, zone: str | None) -> Moment:
    at = datetime.combine(date.fromisoformat(day), _clock(clock) if clock else _MIDNIGHT)
    if at.year not in _YEARS:
        raise ValueError("no log is of that year")
    if zone:
        at = datetime.fromisoformat(f"{at.isoformat()}{zone}").astimezone()
    return Moment(at.time(), at.date())


def _clock(words: str) -> time:
    hour, _, rest = words.partition(":")
    return time.fromisoformat(f"{hour:0>2}:{rest}")


def parse_length(words: str, unit: str = "") -> float:
    """Seconds. `unit`: what a bare number counts, which is no length otherwise. Raises ValueError that says why."""
    words = words.strip()
    found = LENGTH.fullmatch(words)
    if not found or not (found[2] or unit):
        raise ValueError(f"{words!r} is no length of time: 250ms, 30s, 10m, 1.5h, 2d")
    seconds = float(found[1]) * _SECONDS[found[2] or unit]
    if seconds > _LONGEST_S:
        raise ValueError(f"{words[:20]} is longer than anything here lasts")
    return seconds


def parse_latency(words: str) -> float:
    """Milliseconds, in which a bare number is too. Raises ValueError."""
    return 1000 * parse_length(words, "ms")
