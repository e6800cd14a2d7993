"""Stretches of a log → records: in threads, and what is rare in them together."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import polars as pl

from tau2tui.analysis.candidates import Buffer
from tau2tui.analysis.errorlines import ErrorPatterns
from tau2tui.analysis.events import ProfileLines, join_profile_lines, read_profile_lines
from tau2tui.analysis.frames import Records, concat
from tau2tui.analysis.markers import MARKS, parse_markers
from tau2tui.analysis.stretches import STRETCH

AT_ONCE = min(len(os.sched_getaffinity(0)), 4)
"""Threads that read, at most: NumPy and Polars let other threads run."""
IN_USE = AT_ONCE + 2
"""Stretches that may be looked at after a further one has been asked for."""
ANCHOR = 64
_TOGETHER = 16
"""Stretches whose rare lines are read together: a reading of a few costs as much as one of many."""
_MUCH_LEFT = 20_000
"""Lines that are kept for that at most."""
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
    return _joined([_read_stretch(data, patterns)], domain, patterns)


def read_all(stretches: Iterable[Buffer], size: int, domain: str, patterns: ErrorPatterns) -> Iterator[Part]:
    """Read stretches in their order, of about so many bytes in all."""
    parts: list[_Stretch] = []
    for part in _in_order(stretches, size, patterns):
        parts.append(part)
        if len(parts) == _TOGETHER or sum(part.kept for part in parts) > _MUCH_LEFT:
            yield _part(parts, domain, patterns)
            parts = []
    if parts:
        yield _part(parts, domain, patterns)


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
        return self.profile.left.height + len(self.markers) + len(self.errors)


def _read_stretch(data: Buffer, patterns: ErrorPatterns) -> _Stretch:
    found = patterns.finder.find(data)
    markers = [line for line in found.others if any(mark in line for mark in MARKS)]
    errors = found.others if patterns.texts_known else patterns.candidates(text_lines(bytes(data))).to_list()
    return _Stretch(len(data), bytes(data[-ANCHOR:]), read_profile_lines(found.profile), markers, errors)


def _joined(parts: Sequence[_Stretch], domain: str, patterns: ErrorPatterns) -> Records:
    events, unread = join_profile_lines([part.profile for part in parts], domain)
    tasks, driver, unread_markers = parse_markers(line for part in parts for line in part.markers)
    candidates = pl.Series("line", [line for part in parts for line in part.errors], dtype=pl.String)
    return Records(events, tasks, driver, patterns.parse(candidates, domain), pl.concat([unread, unread_markers]))


def _part(parts: Sequence[_Stretch], domain: str, patterns: ErrorPatterns) -> Part:
    end = b"".join(part.end for part in parts)[-ANCHOR:]
    return Part(sum(part.length for part in parts), end, concat([_joined(parts, domain, patterns)], rechunk=True))


def _in_order(stretches: Iterable[Buffer], size: int, patterns: ErrorPatterns) -> Iterator[_Stretch]:
    stretches = iter(stretches)
    if size <= STRETCH or AT_ONCE == 1:
        for stretch in stretches:
            yield _read_stretch(stretch, patterns)
        return
    with ThreadPoolExecutor(AT_ONCE) as pool:
        waiting: deque[Future[_Stretch]] = deque()
        for stretch in stretches:
            waiting.append(pool.submit(_read_stretch, stretch, patterns))
            if len(waiting) > AT_ONCE:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


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
