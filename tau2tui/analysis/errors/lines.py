"""The lines of a log that may have to do with errors: found in bulk, then looked at one by one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from tau2tui.analysis.candidates import text_lines
from tau2tui.analysis.errorlines import bulk_engine_knows
from tau2tui.analysis.errors.tracebacks import HEAD_TEXT, Folding, Traceback
from tau2tui.analysis.stretches import text_blocks

STRETCH = 8 << 20
"""Bytes that are read at once; a line longer than this is cut."""
_ANSI = re.compile(rb"\x1b\[[0-9;]*[A-Za-z]")
_MARKS = (b"[PROFILE] ", b"[USER_JUDGE] ", b"[OVERALL_ETA]", b"FINISHED SIMULATION")
_STAMP = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d{1,6})?")
_STAMP_WITHIN = 100
"""Characters of a line in which its time stands, if it has one."""
_LONGEST = 1 << 16
"""Characters of a line that are looked at: what is longer quotes something."""
_LOOK_BACK = 200
"""Lines before an untimed one in which its time is looked for."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line that may say something, without colours, or a whole traceback with the line of its head."""

    number: int
    text: str
    at: datetime | None
    """Its own time, else that of the last line before it that has one."""
    traceback: Traceback | None = None


class LineSearch:
    """Finds the lines of files that match any of these patterns, and the tracebacks."""

    def __init__(self, patterns: Sequence[str], stretch: int = STRETCH) -> None:
        """`stretch`: bytes that are read at once."""
        either = "|".join(f"(?:{pattern})" for pattern in (*patterns, re.escape(HEAD_TEXT)))
        self._stretch = stretch
        self._either = re.compile(either)
        self._in_bulk = either if bulk_engine_knows(either) else None
        self.from_evaluation = False
        """Whether the file that was read last holds lines that only an evaluation writes."""
        self.last_at: datetime | None = None
        """The last time that stands in it."""

    def lines(self, path: Path) -> Iterator[Line]:
        """In the order of the file, each traceback at the place where it has ended. Raises OSError."""
        folding, clock = Folding(), _Clock()
        offset, self.from_evaluation = 0, False
        for data in _stretches(path, self._stretch):
            self.from_evaluation |= any(mark in data for mark in _MARKS)
            lines = text_lines(_ANSI.sub(b"", data) if b"\x1b" in data else data)
            yield from self._in_stretch(lines, offset, folding, clock)
            offset += lines.len()
        self.last_at = clock.last
        for traceback in folding.end():
            yield Line(traceback.first_line, traceback.prefix, clock.of_head, traceback)

    def _in_stretch(self, lines: pl.Series, offset: int, folding: Folding, clock: _Clock) -> Iterator[Line]:
        clock.lines = texts = _Texts(lines)
        at = 0
        for place in (*self._notable(lines).to_list(), lines.len()):
            while folding.open and at < place:  # else what says nothing is not looked at
                for traceback in folding.feed(offset + at, texts[at])[1]:
                    yield Line(traceback.first_line, traceback.prefix, clock.of_head, traceback)
                at += 1
            if place == lines.len():
                break
            taken, ended = folding.feed(offset + place, texts[place], notable=True)
            for traceback in ended:
                yield Line(traceback.first_line, traceback.prefix, clock.of_head, traceback)
            if folding.begun_at == offset + place:
                clock.of_head = clock.before(place)
            if not taken:
                yield Line(offset + place, texts[place], clock.before(place))
            at = place + 1
        clock.end()

    def _notable(self, lines: pl.Series) -> pl.Series:
        if self._in_bulk is not None:
            return lines.str.contains(self._in_bulk).fill_null(value=False).arg_true()
        return pl.Series(
            [place for place, text in enumerate(lines) if text and self._either.search(text)], dtype=pl.Int64
        )


class _Texts:
    """Lines as Python's texts, of which no more are made at once than are likely to be looked at."""

    _AT_ONCE = 64

    def __init__(self, lines: pl.Series) -> None:
        self._lines = lines
        self._begin = 0
        self._made: list[str | None] = []

    def __len__(self) -> int:
        return self._lines.len()

    def __getitem__(self, at: int) -> str:
        """One line; "" for one that is empty."""
        place = at - self._begin
        if not 0 <= place < len(self._made):
            self._begin, place = at, 0
            self._made = self._lines.slice(at, self._AT_ONCE).to_list()
        return (self._made[place] or "")[:_LONGEST]

    def before(self, at: int, most: int) -> Iterator[str]:
        """So many lines up to this one, the last one first, without those that are empty."""
        step = 4
        while most > 0 and at >= 0:
            begin = max(at + 1 - min(step, most), 0)
            yield from filter(None, reversed(self._lines.slice(begin, at + 1 - begin).to_list()))
            most, at, step = most - (at + 1 - begin), begin - 1, step * 4


class _Clock:
    """What time it is at a line."""

    def __init__(self) -> None:
        self.lines = _Texts(pl.Series([], dtype=pl.String))
        self.of_head: datetime | None = None
        """At the head of the traceback that is open."""
        self.last: datetime | None = None

    def before(self, at: int) -> datetime | None:
        """The time of a line, or of the last one before it."""
        for text in self.lines.before(at, _LOOK_BACK + 1):
            if found := stamp(text):
                self.last = found
                return found
        return self.last

    def end(self) -> None:
        """The stretch is over; what it says last holds until something else is said."""
        if len(self.lines):
            self.before(len(self.lines) - 1)


def stamp(text: str) -> datetime | None:
    """The time that stands near the beginning of a line, to the millisecond."""
    found = _STAMP.search(text, 0, _STAMP_WITHIN)
    try:
        return datetime.fromisoformat(found[0].replace(",", ".")) if found else None
    except ValueError:  # the 31st of February
        return None


def _stretches(path: Path, size: int) -> Iterator[bytes]:
    """Whole lines, about `size` bytes at a time; at the end what there is."""
    rest = b""
    for block in text_blocks(path, size):
        data = rest + block
        if len(data) < size:
            rest = data
            continue
        end = data.rfind(b"\n") + 1 or (len(data) if len(data) >= 2 * size else 0)
        rest = data[end:]
        if end:
            yield data[:end]
    if rest:
        yield rest
