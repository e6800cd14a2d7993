"""What a log has said in the order of its lines: records, and lines that nobody has asked about yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from tau2tui.analysis.errorlines import ErrorPatterns
from tau2tui.analysis.frames import Records, concat
from tau2tui.analysis.kept import Kept
from tau2tui.analysis.reading import parse_stretch

_SETTLED_ROWS = 100_000
"""Frames of so many rows are never copied to join them with others."""


@dataclass(frozen=True, slots=True)
class Unparsed:
    """A few new lines."""

    lines: bytes


Part: TypeAlias = Records | Kept | Unparsed


def settled(parts: Sequence[Part], domain: str, patterns: ErrorPatterns) -> list[Records | Kept]:
    """The same parts with the lines read, and small ones in memory joined so that many looks leave few parts.

    A part is copied when its neighbour has grown to half of its size, so each row is copied a few times in all.
    """
    read: list[Records | Kept] = []
    lines: list[bytes] = []
    for part in [*parts, None]:
        if isinstance(part, Unparsed):
            lines.append(part.lines)
            continue
        if lines:
            read.append(parse_stretch(b"".join(lines), domain, patterns))
            lines = []
        if part is not None:
            read.append(part)
    while len(read) > 1:
        before, last = read[-2:]
        if isinstance(before, Kept) or isinstance(last, Kept) or _rows(before) > min(2 * _rows(last), _SETTLED_ROWS):
            break
        read[-2:] = [concat((before, last), rechunk=True)]
    return read


def _rows(records: Records) -> int:
    return sum(frame.height for frame in (records.events, records.tasks, records.driver, records.errors))
