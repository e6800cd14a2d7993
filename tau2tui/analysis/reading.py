"""Stretches of a log → records: what is rare in them is read together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from tau2tui.analysis.errorlines import ErrorPatterns
from tau2tui.analysis.events import join_profile_lines
from tau2tui.analysis.frames import Records, concat
from tau2tui.analysis.markers import parse_markers
from tau2tui.analysis.readers import read_in_order
from tau2tui.analysis.stretch import ANCHOR, Stretch, StretchQuestion, read_stretch
from tau2tui.analysis.wanted import ALL, Wanted
from tau2tui.analysis.words import Buffer

_TOGETHER = 32
"""Stretches that are joined: to join a few costs as much as many, and what is kept of them lies in one piece."""
_TOGETHER_ONCE = 16
"""The same where nothing is kept: whoever looks at the first ones does so while the others are read."""
_MUCH_LEFT = 20_000
"""Lines that are kept for that at most."""


@dataclass(frozen=True, slots=True)
class Part:
    """What some stretches say."""

    length: int
    """Bytes of them."""
    end: bytes
    """Their last ANCHOR bytes, or all."""
    records: Records


def read_all(
    stretches: Iterable[Buffer], size: int, domain: str, patterns: ErrorPatterns, wanted: Wanted = ALL
) -> Iterator[Part]:
    """Read stretches in their order, of about so many bytes in all."""
    reading = Reading(domain, patterns, wanted)
    together = _TOGETHER_ONCE if wanted.once else _TOGETHER
    parts: list[Stretch] = []
    for part in read_in_order(stretches, size, reading.question, reading.stretch):
        parts.append(part)
        if len(parts) == together or sum(part.kept for part in parts) > _MUCH_LEFT:
            yield reading.part(parts)
            parts = []
    if parts:
        yield reading.part(parts)


@dataclass(frozen=True, slots=True)
class Reading:
    """How a log is read."""

    domain: str
    patterns: ErrorPatterns
    wanted: Wanted = ALL

    @property
    def question(self) -> StretchQuestion:
        """What is asked of each stretch."""
        return StretchQuestion(
            self.domain, self.wanted.columns, self.patterns.expressions if self.wanted.rare else None
        )

    def stretch(self, data: Buffer) -> Stretch:
        """What whole lines say, in whatever bytes they are, before it is joined."""
        return read_stretch(data, self.question, self.patterns.rare_lines if self.wanted.rare else None)

    def joined(self, parts: Sequence[Stretch]) -> Records:
        """What stretches of the log say."""
        events, unread = join_profile_lines([part.profile for part in parts], self.domain, self.wanted.columns)
        tasks, driver, unread_markers = parse_markers(line for part in parts for line in part.markers)
        candidates = pl.Series("line", [line for part in parts for line in part.errors], dtype=pl.String)
        errors = self.patterns.parse(candidates, self.domain)
        return Records(events, tasks, driver, errors, pl.concat([unread, unread_markers]))

    def part(self, parts: Sequence[Stretch]) -> Part:
        """The same, with how far they reach."""
        end = b"".join(part.end for part in parts)[-ANCHOR:]
        return Part(sum(part.length for part in parts), end, concat([self.joined(parts)], rechunk=True))
