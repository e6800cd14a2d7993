"""Lines that are loaded → lines that are shown: filtered, repeats folded, several logs merged by time."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from tau2tui.tui.log_lines import LogLine
from tau2tui.tui.log_pattern import LogPattern

_VARIES = re.compile(r"0x[0-9a-fA-F]+|\d+")
Notes = Mapping[int, Sequence[str]]
"""What is said below lines, by their offset in the file."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How lines are to be shown."""

    include: LogPattern | None = None
    """Only lines that hold it."""
    exclude: LogPattern | None = None
    """No lines that hold it."""
    fold: bool = False
    """Consecutive lines that differ in numbers alone become one, the newest."""
    stamps: bool = True
    """Whether timestamps are shown."""


@dataclass(frozen=True, slots=True)
class ShownLine:
    """A line as it is drawn."""

    line: LogLine
    text: str
    source: int = 0
    """Which of the logs it is from."""
    times: int = 1
    """How many lines it stands for."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What is to be drawn."""

    lines: list[ShownLine]
    hidden: int = 0
    """Lines that filters hide."""
    folded: int = 0
    """Lines that were folded into others."""


def arrange(
    logs: Sequence[Sequence[LogLine]], shape: Shape, notes: Sequence[Notes] = (), since: float | None = None
) -> Shown:
    """Bring the lines of one or more logs into their final form; of several only what was written from `since` on.

    Raises BadPattern if an expression is too slow.
    """
    pairs = merged(logs, since) if len(logs) > 1 else [(0, line) for lines in logs for line in lines]
    kept = [pair for pair in pairs if pair[1].note or wanted(pair[1].text, shape)]
    shown = list(_folded(kept) if shape.fold else (ShownLine(line, line.text, source) for source, line in kept))
    if not shape.stamps:
        shown = [_without_stamp(each) for each in shown]
    if any(notes):
        shown = [each for line in shown for each in (line, *_said_below(line, notes))]
    return Shown(shown, len(pairs) - len(kept), sum(each.times - 1 for each in shown))


def wanted(text: str, shape: Shape) -> bool:
    """Whether filters let a line through. Raises BadPattern."""
    if shape.include is not None and not shape.include.matches(text):
        return False
    return shape.exclude is None or not shape.exclude.matches(text)


def merged(logs: Sequence[Sequence[LogLine]], since: float | None = None) -> list[tuple[int, LogLine]]:
    """Lines of several logs by time, each with the number of its log; one without a time stays with the one before it.

    What stands before the first time of a log is taken to be as old as that.
    """
    timed = [_timed(number, lines) for number, lines in enumerate(logs)]
    return [(number, line) for at, number, _, line in heapq.merge(*timed) if since is None or at >= since]


def _timed(number: int, lines: Sequence[LogLine]) -> Iterator[tuple[float, int, int, LogLine]]:
    at = next((line.at for line in lines if line.at is not None), 0.0)
    for place, line in enumerate(lines):
        # A clock that is set back must not let a line overtake the one before it.
        at = at if line.at is None else max(at, line.at)
        yield at, number, place, line


def complete_from(logs: Sequence[tuple[Sequence[LogLine], bool]]) -> float | None:
    """From when on lines of all logs are loaded, each with whether it is loaded from its beginning; None: always."""
    begins = [
        first
        for lines, from_begin in logs
        if not from_begin and (first := next((line.at for line in lines if line.at is not None), None)) is not None
    ]
    return max(begins, default=None)


def form(text: str) -> str:
    """What lines that repeat each other have in common: all but the numbers."""
    return _VARIES.sub("0", text)


def _folded(pairs: Iterable[tuple[int, LogLine]]) -> Iterator[ShownLine]:
    for _, group in groupby(pairs, lambda pair: (pair[0], pair[1].note, form(pair[1].text))):
        alike = list(group)
        source, line = alike[-1]
        count = f"×{len(alike):,} ".replace(",", " ") if len(alike) > 1 else ""
        yield ShownLine(line, count + line.text, source, len(alike))


def _without_stamp(shown: ShownLine) -> ShownLine:
    begin, end = shown.line.stamp
    if begin == end:
        return shown
    moved = len(shown.text) - len(shown.line.text)
    text = shown.text[: begin + moved] + shown.text[end + moved :]
    return ShownLine(shown.line, text, shown.source, shown.times)


def _said_below(shown: ShownLine, notes: Sequence[Notes]) -> Iterator[ShownLine]:
    if shown.line.note or shown.source >= len(notes):
        return
    for words in notes[shown.source].get(shown.line.offset, ()):
        yield ShownLine(LogLine(words, note=True, offset=shown.line.offset), words, shown.source)
