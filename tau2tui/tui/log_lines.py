"""Bytes of a log → lines that can be drawn: bounded, without colours and progress bars, searchable."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from tau2tui.tui.format import printable

KEPT_LINES = 5000
DRAWN_CHARACTERS = 1000
_PARTIAL_BYTES = 1 << 16
"""More of a line that does not end is not kept."""

# A colour, a cursor movement, a title: CSI and OSC sequences, and the two-character ones.
_ESCAPE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_ERROR = r"\bERROR\b|\bCRITICAL\b|\bFATAL\b|Traceback \(most recent call last\)|\w(?:Error|Exception)\b:|out of memory"


def error_pattern(more: Iterable[str] = ()) -> re.Pattern[str]:
    """What makes a line an error: the usual words, and the patterns of the configuration."""
    return re.compile("|".join(f"(?:{pattern})" for pattern in (_ERROR, *more)))


def readable(raw: bytes) -> str:
    """One line as it would look in the end: what a carriage return overwrote is gone, as are colours and NULs."""
    raw = _ESCAPE.sub(b"", raw.rstrip(b"\r"))
    raw = raw[raw.rfind(b"\r") + 1 :]
    line = raw[: 4 * DRAWN_CHARACTERS + 8].decode("utf-8", "replace").expandtabs(8)
    if len(line) > DRAWN_CHARACTERS:
        return f"{printable(line[:DRAWN_CHARACTERS])}… ({len(raw):,} bytes)"
    return printable(line)


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line, and whether it tells of an error."""

    text: str
    error: bool = False
    note: bool = False
    """Not of the log: something that is said about it."""


class LogLines:
    """The newest lines of a log, fed with its bytes as they come."""

    def __init__(self, errors: re.Pattern[str]) -> None:
        self.lines: list[LogLine] = []
        """At most KEPT_LINES, and the one that has no end yet."""
        self._errors = errors
        self._partial = b""
        self._open = False

    def note(self, words: str) -> None:
        """Say something about the log, between its lines; a line that is unfinished then stays so."""
        self._open, self._partial = False, b""
        self.lines.append(LogLine(words, note=True))

    def feed(self, data: bytes) -> None:
        """Take in more bytes; the last line may be without its end."""
        if not data:
            return
        whole, newline, rest = (self._partial + data).rpartition(b"\n")
        self._close()
        if newline:
            # What would be dropped at once need not be made readable first.
            self.lines += [self._line(raw) for raw in whole.split(b"\n")[-KEPT_LINES:]]
        bar = rest[:-1].rfind(b"\r") + 1
        self._partial = rest[bar:][:_PARTIAL_BYTES]
        if self._partial:
            self.lines.append(self._line(self._partial))
            self._open = True
        del self.lines[: max(0, len(self.lines) - KEPT_LINES)]

    def find(self, start: int, step: int, wanted: re.Pattern[str] | None = None) -> int | None:
        """The next line from `start` that matches, or tells of an error, going round at the end; None without one."""
        count = len(self.lines)
        for distance in range(1, count + 1):
            number = (start + step * distance) % count
            line = self.lines[number]
            if wanted.search(line.text) if wanted else line.error:
                return number
        return None

    def count(self, wanted: re.Pattern[str]) -> int:
        """How many lines match."""
        return sum(wanted.search(line.text) is not None for line in self.lines)

    def _close(self) -> None:
        """Take the unfinished line back: it is in `_partial`, and will be drawn anew."""
        if self._open:
            self.lines.pop()
            self._open = False

    def _line(self, raw: bytes) -> LogLine:
        line = readable(raw)
        return LogLine(line, error=self._errors.search(line) is not None)


def search_pattern(words: str) -> re.Pattern[str] | None:
    """Words to look for, taken literally; capital letters only count if there is one among them."""
    if not words:
        return None
    return re.compile(re.escape(words), re.NOFLAG if words != words.lower() else re.IGNORECASE)
