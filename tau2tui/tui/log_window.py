"""The stretch of a log that is loaded: grows at both ends, and loses at one end what is too much at the other."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tau2tui.tui.log_lines import LogLine, make_line, make_lines

KEPT_LINES = 10_000
KEPT_CHARACTERS = 8 << 20
_PARTIAL_BYTES = 1 << 16
"""More of a line that does not end is not kept."""


class LogWindow:
    """Lines of a log from one place to another; `begin` and `end` are offsets of bytes in the file."""

    def __init__(self, errors: re.Pattern[str], begin: int = 0, most: int = KEPT_LINES) -> None:
        self.lines: list[LogLine] = []
        """At most `most`, and the one that has no end yet."""
        self.begin = self.end = begin
        self.most = most
        self.trimmed_end = False
        """Whether lines at the end were given up for ones before: what follows is to be read again."""
        self._errors = errors
        self._partial = b""
        self._partial_at = begin
        self._open = False

    def note(self, words: str) -> None:
        """Say something about the log, between its lines; a line that is unfinished then stays so."""
        self._open, self._partial, self._partial_at = False, b"", self.end
        self.lines.append(LogLine(words, note=True, offset=self.end))

    def moved_to(self, offset: int) -> None:
        """Go on reading at another place: of a new file, or behind what is left out."""
        self._open, self._partial, self._partial_at, self.end = False, b"", offset, offset
        if not any(not line.note for line in self.lines):
            self.begin = offset

    def append(self, data: bytes) -> int:
        """Take in what follows; the last line may be without its end. Returns how many ends of lines were in it."""
        if not data:
            return 0
        self.end += len(data)
        whole, newline, rest = (self._partial + data).rpartition(b"\n")
        self._close()
        if newline:
            first, *pieces = whole.split(b"\n")
            if len(pieces) < self.most:  # what would be dropped at once need not be made readable first
                self.lines.append(make_line(first, self._partial_at, self._errors))
            kept = pieces[-self.most :]
            # Counted from behind: of the first line a part may be gone, overwritten by a bar or too long to be kept.
            offset = self.end - len(rest) - sum(map(len, kept)) - len(kept)
            self.lines += make_lines(b"".join(piece + b"\n" for piece in kept), offset, self._errors)
            self._partial_at = self.end - len(rest)
        bar = rest[:-1].rfind(b"\r") + 1
        self._partial = rest[bar:][:_PARTIAL_BYTES]
        if self._partial:
            self.lines.append(make_line(self._partial, self._partial_at, self._errors))
            self._open = True
        self._trim_begin()
        return data.count(b"\n")

    def prepend(self, lines: Sequence[LogLine], begin: int) -> None:
        """Take in whole lines that end where the window begins; what is too much at the end is given up."""
        self.lines[:0] = lines
        self.begin = begin
        keep = self._fitting(self.lines)
        if keep < len(self.lines):
            self._open, self._partial = False, b""
            self.end = self._partial_at = self.lines[keep].offset
            del self.lines[keep:]
            self.trimmed_end = True

    @property
    def whole_end(self) -> int:
        """Where the first line begins that was not read to its end."""
        return self._partial_at if self._open else self.end

    def _trim_begin(self) -> None:
        keep = self._fitting(list(reversed(self.lines)))
        if keep < len(self.lines):
            del self.lines[: len(self.lines) - keep]
            self.begin = self.lines[0].offset

    def _fitting(self, lines: list[LogLine]) -> int:
        """How many of these, from the first on, there is room for; one always."""
        if len(lines) <= self.most and sum(len(line.text) for line in lines) <= KEPT_CHARACTERS:
            return len(lines)
        characters = 0
        for number, line in enumerate(lines[: self.most]):
            characters += len(line.text)
            if characters > KEPT_CHARACTERS:
                return max(1, number)
        return min(self.most, len(lines))

    def _close(self) -> None:
        """Take the unfinished line back: it is in `_partial`, and will be drawn anew."""
        if self._open:
            self.lines.pop()
            self._open = False
