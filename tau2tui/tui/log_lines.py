"""Bytes of a log → lines that can be drawn: without colours and progress bars, cut, with their times and places."""

from __future__ import annotations

import calendar
import functools
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass

from tau2tui.core.printable import as_displayed
from tau2tui.tui.format import printable

DRAWN_CHARACTERS = 4000
"""What is kept of a line; the rest of a longer one is counted."""

ERROR_WORDS = (
    "ERROR",
    "CRITICAL",
    "FATAL",
    "Traceback (most recent call last)",
    "Error:",
    "Exception:",
    "out of memory",
)
"""One of these stands in every line that tells of an error, unless a pattern of the configuration says so."""
_ERROR = r"\bERROR\b|\bCRITICAL\b|\bFATAL\b|Traceback \(most recent call last\)|\w(?:Error|Exception)\b:|out of memory"
# vLLM: `INFO 12-30 09:00:05 [api_server.py:12]`; logging: `2025-12-24 04:28:25,388`; ours: `[2025-12-24 04:28:25]`.
_STAMP = re.compile(
    r"\[?(?:(?P<year>\d{4})-|(?<=DEBUG )|(?<=INFO )|(?<=WARNING )|(?<=ERROR )|(?<=CRITICAL ))"
    r"(?P<month>\d\d)-(?P<day>\d\d)"
    r"[ T](?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?(?:Z|[+-]\d\d:?\d\d)?\]? ?"
)
_STAMP_WITHIN = 160
"""A time further to the right is one that the message speaks of."""
_DAY_S = 86_400


def error_pattern(more: Iterable[str] = ()) -> re.Pattern[str]:
    """What makes a line an error: the usual words, and the patterns of the configuration."""
    return re.compile("|".join(f"(?:{pattern})" for pattern in (_ERROR, *more)))


def readable(raw: bytes) -> str:
    """One line as it would look in the end: what a carriage return overwrote is gone, as are colours and NULs."""
    raw = as_displayed(raw)
    line = raw[: 4 * DRAWN_CHARACTERS + 8].decode("utf-8", "replace").expandtabs(8)
    if len(line) > DRAWN_CHARACTERS:
        return f"{printable(line[:DRAWN_CHARACTERS])}… ({len(raw):,} bytes)"
    return printable(line)


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line, where it stands, when it was written, and whether it tells of an error."""

    text: str
    error: bool = False
    note: bool = False
    """Not of the log: something that is said about it."""
    offset: int = 0
    """Of its first byte in the file."""
    at: float | None = None
    """Seconds on the clock that wrote it, from its timestamp; None: it has none."""
    stamp: tuple[int, int] = (0, 0)
    """Where in the text the timestamp stands."""


def make_line(raw: bytes, offset: int, errors: re.Pattern[str]) -> LogLine:
    """One line from its bytes."""
    words = readable(raw)
    found = _STAMP.search(words, 0, _STAMP_WITHIN)
    at, stamp = (_seconds(found), found.span()) if found else (None, (0, 0))
    return LogLine(words, errors.search(words) is not None, False, offset, at, stamp)


def make_lines(data: bytes, offset: int, errors: re.Pattern[str]) -> list[LogLine]:
    """The lines of a stretch that begins with a line, at `offset`; the last one may be without its end."""
    lines = []
    for raw in data.split(b"\n"):
        lines.append(make_line(raw, offset, errors))
        offset += len(raw) + 1
    if data.endswith(b"\n") or not data:
        lines.pop()
    return lines


def _seconds(found: re.Match[str]) -> float | None:
    year, month, day, hour, minute, second = found.group("year", "month", "day", "hour", "minute", "second")
    midnight = _midnight(year, month, day)
    if midnight is None:
        return None
    fraction = found["fraction"]
    return midnight + 3600 * int(hour) + 60 * int(minute) + int(second) + (float(f"0.{fraction}") if fraction else 0.0)


@functools.lru_cache(maxsize=64)
def _midnight(year: str | None, month: str, day: str) -> float | None:
    """The beginning of a day, as if in UTC: only differences count. vLLM names no year: the last such day."""
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return None
    if year:
        return float(calendar.timegm((int(year), int(month), int(day), 0, 0, 0)))
    now = time.localtime()
    at = calendar.timegm((now.tm_year, int(month), int(day), 0, 0, 0))
    if at > calendar.timegm(now) + _DAY_S:
        at = calendar.timegm((now.tm_year - 1, int(month), int(day), 0, 0, 0))
    return float(at)
