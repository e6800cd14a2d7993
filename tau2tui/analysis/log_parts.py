"""What a log has said in the order of its lines: records, and what nobody has asked about yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

from tau2tui.analysis.errorlines import ErrorPatterns
from tau2tui.analysis.frames import Records, concat
from tau2tui.analysis.kept import Kept
from tau2tui.analysis.reading import Reading
from tau2tui.analysis.stretch import Stretch

_SETTLED_ROWS = 100_000
"""Frames of so many rows are never copied to join them with others."""


@dataclass(frozen=True, slots=True)
class Unparsed:
    """A few new lines."""

    lines: bytes

    @property
    def length(self) -> int:
        return len(self.lines)


@dataclass(frozen=True, slots=True)
class Unjoined:
    """Some new lines that were read."""

    stretch: Stretch

    @property
    def length(self) -> int:
        return self.stretch.length


Pending: TypeAlias = Unparsed | Unjoined
Part: TypeAlias = Records | Kept | Pending


def settled(parts: Sequence[Part], domain: str, patterns: ErrorPatterns) -> list[Records | Kept]:
    """The same parts with nothing pending, and small ones in memory joined so that many looks leave few parts.

    A part is copied when its neighbour has grown to half of its size, so each row is copied a few times in all.
    """
    reading = Reading(domain, patterns)
    read: list[Records | Kept] = []
    pending: list[Pending] = []
    for part in [*parts, None]:
        if isinstance(part, Pending):
            pending.append(part)
            continue
        if pending:
            read.append(reading.joined(list(_stretches(reading, pending))))
            pending = []
        if part is not None:
            read.append(part)
    while len(read) > 1:
        before, last = read[-2:]
        if isinstance(before, Kept) or isinstance(last, Kept) or _rows(before) > min(2 * _rows(last), _SETTLED_ROWS):
            break
        read[-2:] = [concat((before, last), rechunk=True)]
    return read


def pending_bytes(parts: Sequence[Part]) -> int:
    """Bytes of what is pending at the end."""
    length = 0
    for part in reversed(parts):
        if not isinstance(part, Pending):
            break
        length += part.length
    return length


def _stretches(reading: Reading, parts: Iterable[Pending]) -> Iterator[Stretch]:
    """What is pending as stretches: lines that nobody has read yet are read together."""
    for unparsed, some in groupby(parts, key=lambda part: isinstance(part, Unparsed)):
        if unparsed:
            yield reading.stretch(b"".join(part.lines for part in some if isinstance(part, Unparsed)))
        else:
            yield from (part.stretch for part in some if isinstance(part, Unjoined))


def _rows(records: Records) -> int:
    return sum(frame.height for frame in (records.events, records.tasks, records.driver, records.errors))
