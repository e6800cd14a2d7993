"""Stretches of a log → records: in threads, and what is rare in them together."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import polars as pl

from tau2tui.analysis.errorlines import ErrorPatterns
from tau2tui.analysis.events import ProfileLines, join_profile_lines, read_profile_lines
from tau2tui.analysis.frames import Records, concat
from tau2tui.analysis.markers import MARKS, parse_markers
from tau2tui.analysis.places import Places, find_places
from tau2tui.analysis.stretches import STRETCH
from tau2tui.analysis.wanted import ALL, Wanted
from tau2tui.analysis.words import Buffer

AT_ONCE = min(len(os.sched_getaffinity(0)), 4)
"""Threads that read, at most: NumPy and Polars let other threads run."""
IN_USE = AT_ONCE + 2
"""Stretches that may be looked at after a further one has been asked for."""
ANCHOR = 64
_TOGETHER = 32
"""Stretches whose rare lines are read together: a reading of a few costs as much as one of many."""
_MUCH_LEFT = 20_000
"""Lines that are kept for that at most."""
_HANDED_OVER_S = 1e-4
_USUALLY_HANDED_OVER_S = sys.getswitchinterval()
_SEPARATOR = b"\x1e"


@dataclass(frozen=True, slots=True)
class Part:
    """What some stretches say."""

    length: int
    """Bytes of them."""
    end: bytes
    """Their last ANCHOR bytes, or all."""
    records: Records


def parse_stretch(data: Buffer, domain: str, patterns: ErrorPatterns) -> Records:
    """Read whole lines, in whatever bytes they are."""
    reading = _Reading(domain, patterns, ALL)
    return reading.joined([reading.stretch(data)])


def read_all(
    stretches: Iterable[Buffer], size: int, domain: str, patterns: ErrorPatterns, wanted: Wanted = ALL
) -> Iterator[Part]:
    """Read stretches in their order, of about so many bytes in all."""
    reading = _Reading(domain, patterns, wanted)
    parts: list[_Stretch] = []
    for part in reading.in_order(stretches, size):
        parts.append(part)
        if len(parts) == _TOGETHER or sum(part.kept for part in parts) > _MUCH_LEFT:
            yield reading.part(parts)
            parts = []
    if parts:
        yield reading.part(parts)


@dataclass(frozen=True, slots=True)
class _Stretch:
    """What a stretch says; only its usual profile lines are read until several are joined."""

    length: int
    end: bytes
    profile: ProfileLines
    markers: list[str]
    errors: list[str]

    @property
    def kept(self) -> int:
        return len(self.profile.left) + len(self.markers) + len(self.errors)


@dataclass(frozen=True, slots=True)
class _Reading:
    """How a log is read."""

    domain: str
    patterns: ErrorPatterns
    wanted: Wanted

    def stretch(self, data: Buffer) -> _Stretch:
        places = find_places(data)
        profile = read_profile_lines(places, self.domain, self.wanted.columns)
        markers, errors = self._rare(places) if self.wanted.rare else ([], [])
        return _Stretch(len(data), bytes(data[-ANCHOR:]), profile, markers, errors)

    def _rare(self, places: Places) -> tuple[list[str], list[str]]:
        others = places.texts(self.patterns.rare.lines(places))
        markers = [line for line in others if any(mark in line for mark in MARKS)]
        if self.patterns.texts_known:
            return markers, others
        return markers, self.patterns.candidates(text_lines(bytes(places.data))).to_list()

    def joined(self, parts: Sequence[_Stretch]) -> Records:
        events, unread = join_profile_lines([part.profile for part in parts], self.domain, self.wanted.columns)
        tasks, driver, unread_markers = parse_markers(line for part in parts for line in part.markers)
        candidates = pl.Series("line", [line for part in parts for line in part.errors], dtype=pl.String)
        errors = self.patterns.parse(candidates, self.domain)
        return Records(events, tasks, driver, errors, pl.concat([unread, unread_markers]))

    def part(self, parts: Sequence[_Stretch]) -> Part:
        end = b"".join(part.end for part in parts)[-ANCHOR:]
        return Part(sum(part.length for part in parts), end, concat([self.joined(parts)], rechunk=True))

    def in_order(self, stretches: Iterable[Buffer], size: int) -> Iterator[_Stretch]:
        stretches = iter(stretches)
        if size <= STRETCH or AT_ONCE == 1:
            yield from map(self.stretch, stretches)
            return
        with _handed_over_quickly(), ThreadPoolExecutor(AT_ONCE) as pool:
            waiting: deque[Future[_Stretch]] = deque()
            for stretch in stretches:
                waiting.append(pool.submit(self.stretch, stretch))
                if len(waiting) > AT_ONCE:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()


@contextmanager
def _handed_over_quickly() -> Iterator[None]:
    """Let threads wait a shorter time for the interpreter, as all of them leave it again after a fraction of a ms."""
    sys.setswitchinterval(_HANDED_OVER_S)
    try:
        yield
    finally:  # of two that read at once the later one may go on with the usual time
        sys.setswitchinterval(_USUALLY_HANDED_OVER_S)


def text_lines(data: bytes) -> pl.Series:
    """The lines of whole lines of bytes; what is not UTF-8 becomes U+FFFD, empty lines become null.

    The CSV reader splits them seven times as fast as `str.split`; its separator must not occur.
    """
    return pl.read_csv(
        data.replace(_SEPARATOR, b" "),
        has_header=False,
        separator=_SEPARATOR.decode(),
        quote_char=None,
        encoding="utf8-lossy",
        schema={"line": pl.String},
    )["line"]
