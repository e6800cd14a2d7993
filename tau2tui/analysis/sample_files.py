"""The files of the node agents' samples, metrics/<replica>.jsonl: which there are, and a stretch of one by its times.

Rows are appended as they are sampled, so that a time is found by halving the file, as in a sorted list.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO

_ASIDE = ".1"
"""What the node agent has put aside when a file was full."""
_NEAR = 64 << 10
"""To so many bytes a time is found."""
_REACH_S = 1800.0
"""Within so many seconds a step most often ends."""
_TIME = re.compile(rb'^\{"(?:t|at)": ?(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)[,}]')
_BOUNDS = b',"b":{'
"""In a row that tells the bounds of the buckets; within a string the quotation marks would be escaped."""


def files_of(directory: Path, replicas: Collection[str] | None = None) -> dict[str, tuple[Path, ...]]:
    """The files of these replicas, or of all, by replica in the order of their names; the older file first."""
    found: dict[str, list[Path]] = {}
    for path in sorted(directory.glob("*.jsonl*"), key=lambda path: path.name.endswith(_ASIDE), reverse=True):
        replica, _, aside = path.name.partition(".jsonl")
        if aside in ("", _ASIDE) and (replicas is None or replica in replicas):
            found.setdefault(replica, []).append(path)
    return {replica: tuple(found[replica]) for replica in sorted(found)}


def times(path: Path) -> tuple[float, ...]:
    """When the first and the last sample of a file were taken, in Unix seconds; nothing of a file without any."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            first = _times_in(file.read(_NEAR))[:1]
            file.seek(max(0, size - _NEAR))
            return (*first, *_times_in(file.read())[-1:])
    except OSError:
        return ()


def piece(path: Path, begin_s: float | None, end_s: float | None) -> tuple[bytes, int]:
    """The whole lines from one time to another, in Unix seconds, and some around them; and where they begin.

    A file that cannot be read has none.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            begin = 0 if begin_s is None else _place(file, size, begin_s)[0]
            end = size if end_s is None else _place(file, size, end_s)[1]
            file.seek(begin)
            if begin:
                begin += len(file.readline())
            text = file.read(max(0, end - begin))
            return text + (file.readline() if end < size else b""), begin
    except OSError:
        return b"", 0


def step(directory: Path, replica: str, at_s: float, steps: int) -> float | None:
    """The time of the sample so many samples after `at_s`, or before it if `steps` is negative, in Unix seconds.

    Beyond the first sample it is the first; beyond the last, and without a sample, None.
    """
    paths = files_of(directory, (replica,)).get(replica, ())
    for reach_s in (_REACH_S, None):
        begin_s = at_s - reach_s if reach_s is not None and steps < 0 else at_s if steps > 0 else None
        end_s = at_s + reach_s if reach_s is not None and steps > 0 else at_s if steps < 0 else None
        known = sorted(at for path in paths for at in _times_in(piece(path, begin_s, end_s)[0]))
        there = [at for at in known if (at < at_s if steps < 0 else at > at_s)]
        if len(there) >= abs(steps):
            return there[steps] if steps < 0 else there[steps - 1]
    return there[0] if there and steps < 0 else None


def newest_bounds(path: Path, offset: int) -> bytes:
    """The last line before an offset that tells the bounds of the buckets; empty without one."""
    rest = b""
    try:
        with path.open("rb") as file:
            while offset > 0:
                begin = max(0, offset - _NEAR)
                file.seek(begin)
                text = file.read(offset - begin) + rest
                place = text.rfind(_BOUNDS)
                start = text.rfind(b"\n", 0, place) + 1
                if place >= 0 and (start > 0 or begin == 0):
                    return text[start : text.find(b"\n", place) + 1]
                # A line may reach over the edge.
                offset, rest = begin, text[: len(text) if place >= 0 else text.find(b"\n") + 1]
    except OSError:
        pass
    return b""


def _place(file: BinaryIO, size: int, seconds: float) -> tuple[int, int]:
    """Two offsets, near each other: before the first the lines are older, behind the second none is."""
    low, high = 0, size
    while high - low > _NEAR:
        middle = (low + high) // 2
        file.seek(middle)
        file.readline()
        found = _times_in(file.read(_NEAR // 8))
        if not found or found[0] >= seconds:  # of lines that tell no time nothing is left out
            high = middle
        else:
            low = middle
    return low, high


def _times_in(text: bytes) -> list[float]:
    found = (_TIME.match(line) for line in text.split(b"\n"))
    return [float(match[1]) for match in found if match]
