"""One log that may grow while it is read: only its new bytes are read again."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import polars as pl

from tau2tui.analysis.errorlines import ErrorPatterns
from tau2tui.analysis.events import MARK, ProfileLines, join_profile_lines, read_profile_lines, skipped_lines
from tau2tui.analysis.frames import EVENTS, Records, concat, with_identity
from tau2tui.analysis.markers import MARKS, parse_markers

STRETCH = 8 << 20
"""Bytes that are read at once; a line longer than this is cut."""
_MOST_THREADS = 4
_MUCH_LEFT = 20_000
"""Lines that are kept at most until they are read together."""
_ANCHOR = 64
_SEPARATOR = b"\x1e"
_FILE_NAME = re.compile(r"(?:tau2|eval)_(?P<domain>.+?)\.log(?:\.\d+)?")
_ANY_MARK = "|".join(map(re.escape, MARKS))
_EVALUATION_LOG = re.compile(r"(?:fullrun|(?:tau2|eval)_.+?)\.log(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class _Signature:
    """What tells that a file has not been touched since."""

    inode: int
    size: int
    mtime_ns: int


class LogFile:
    """A log, what it has said so far, and where the next complete line begins."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.domain = file_domain(path)
        self._seen: _Signature | None = None
        self._offset = 0
        self._before = b""
        """The last bytes before the offset: they tell a file that was written anew from one that has grown."""
        self._parts: list[Records] = []

    def advance(self, patterns: ErrorPatterns) -> bool:
        """Read the lines that were completed since the last call; whether anything is different now.

        A file that was replaced, shortened or overwritten is read from its beginning, and what it said before is
        forgotten. Raises OSError if the file cannot be read.
        """
        with self.path.open("rb") as file:
            status = os.fstat(file.fileno())
            seen = _Signature(status.st_ino, status.st_size, status.st_mtime_ns)
            if seen == self._seen:
                return False
            changed = self._forget_unless_same(file, seen)
            reader = partial(_read_stretch, domain=self.domain, patterns=patterns)
            parts: list[_Stretch] = []
            for part in _in_order(reader, _stretches(file, self._offset), seen.size - self._offset):
                parts.append(part)
                self._offset += part.length
                self._before = part.end
                changed = True
                if sum(part.profile.left.height for part in parts) > _MUCH_LEFT:
                    self._parts.append(_joined(parts, self.domain))
                    parts = []
            if parts:
                self._parts.append(_joined(parts, self.domain))
        self._seen = seen
        return changed

    def records(self, *, with_unfinished: bool = False) -> Records:
        """All that the complete lines say; an unfinished last line only as a skipped one, if asked for."""
        parts = [*self._parts, *([self._unfinished()] if with_unfinished else [])]
        if not parts:
            parts = [parse_stretch(b"", self.domain, ErrorPatterns({}))]
        records = concat(parts)
        if not with_unfinished:
            self._parts = [records]
        return self._own(records)

    def _own(self, records: Records) -> Records:
        """Without the error lines of a log that no evaluation wrote: a server prints the same words once more."""
        if records.from_evaluation or _EVALUATION_LOG.fullmatch(self.path.name):
            return records
        return Records(records.events, records.tasks, records.driver, records.errors.clear(), records.skipped)

    def _forget_unless_same(self, file: BinaryIO, seen: _Signature) -> bool:
        """Start over if the file is not the one that was read, or does not begin as it did; whether that was so."""
        same = self._seen is not None and seen.inode == self._seen.inode and seen.size >= self._offset
        if same and os.pread(file.fileno(), len(self._before), self._offset - len(self._before)) == self._before:
            return False
        had = bool(self._parts)
        self._offset, self._before, self._parts = 0, b"", []
        return had

    def _unfinished(self) -> Records:
        """The last line without its end, as a skipped record if it looks like one."""
        with self.path.open("rb") as file:
            rest = os.pread(file.fileno(), STRETCH, self._offset).partition(b"\n")[0]
        line = rest.decode("utf-8", "replace")
        looks = re.search(MARK, line) is not None or any(mark in line for mark in MARKS)
        nothing = parse_stretch(b"", self.domain, ErrorPatterns({}))
        skipped = skipped_lines(pl.Series([line] if looks else [], dtype=pl.String), "unfinished")
        return Records(nothing.events, nothing.tasks, nothing.driver, nothing.errors, skipped)


def file_domain(path: Path) -> str:
    """The domain in the name of a log (`tau2_<domain>.log`, `eval_<domain>.log`); "" where the name holds none."""
    found = _FILE_NAME.fullmatch(path.name)
    return found["domain"] if found and found["domain"] != "global" else ""


def parse_stretch(data: bytes, domain: str, patterns: ErrorPatterns) -> Records:
    """Read whole lines, in whatever bytes they are."""
    return _joined([_read_stretch(data, domain, patterns)], domain)


@dataclass(frozen=True, slots=True)
class _Stretch:
    """What a stretch says; its events and unread lines are in `profile` until several are joined."""

    length: int
    end: bytes
    profile: ProfileLines
    rest: Records


def _read_stretch(data: bytes, domain: str, patterns: ErrorPatterns) -> _Stretch:
    lines = _lines(data)
    profile = read_profile_lines(lines.filter(lines.str.contains(MARK)), domain)
    tasks, driver, unread = parse_markers(lines.filter(lines.str.contains(_ANY_MARK)))
    events = with_identity(EVENTS).to_frame()
    rest = Records(events, tasks, driver, patterns.parse(lines, domain), unread)
    return _Stretch(len(data), data[-_ANCHOR:], profile, rest)


def _joined(parts: Sequence[_Stretch], domain: str) -> Records:
    """The lines that no fast reader knows are read here, together: a reading of a few costs as much as of many."""
    events, unread = join_profile_lines([part.profile for part in parts], domain)
    rest = concat([part.rest for part in parts])
    return Records(events, rest.tasks, rest.driver, rest.errors, pl.concat([unread, rest.skipped]))


def _in_order(reader: Callable[[bytes], _Stretch], stretches: Iterator[bytes], size: int) -> Iterator[_Stretch]:
    """Read stretches in threads, as many at a time as there are cores: NumPy and Polars let other threads run."""
    at_once = min(len(os.sched_getaffinity(0)), _MOST_THREADS)
    if size <= STRETCH or at_once == 1:
        yield from map(reader, stretches)
        return
    with ThreadPoolExecutor(at_once) as pool:
        waiting: deque[Future[_Stretch]] = deque()
        for stretch in stretches:
            waiting.append(pool.submit(reader, stretch))
            if len(waiting) > at_once:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _lines(data: bytes) -> pl.Series:
    """The lines of whole lines of bytes; what is not UTF-8 becomes U+FFFD, empty lines become null.

    The CSV reader splits them seven times as fast as `str.split`; its separator must not occur.
    """
    if not data:
        return pl.Series("line", [], dtype=pl.String)
    return pl.read_csv(
        data.replace(_SEPARATOR, b" "),
        has_header=False,
        separator=_SEPARATOR.decode(),
        quote_char=None,
        encoding="utf8-lossy",
        schema={"line": pl.String},
    )["line"]


def _stretches(file: BinaryIO, offset: int) -> Iterator[bytes]:
    """Whole lines from `offset` on, at most STRETCH bytes at a time; the last line only if it is complete."""
    while data := os.pread(file.fileno(), STRETCH, offset):
        end = data.rfind(b"\n") + 1
        if not end and len(data) < STRETCH:
            return
        stretch = data[:end] if end else data
        offset += len(stretch)
        yield stretch
